"""The MSI, installed by Wine's own Windows Installer."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from harness.exe.wine import Wine, WineError
from harness.guest import files_of
from harness.msi import write_msi
from harness.msi.package import package
from tests.integration.support.layouts import free_port

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(500, func_only=True),
    pytest.mark.skipif(not shutil.which("wixl"), reason="there is no wixl (package wixl)"),
]

SERVICE = r"HKLM\System\CurrentControlSet\Services\vsocks-guest"
EVENTS = r"HKLM\System\CurrentControlSet\Services\EventLog\Application\vsocks-guest"
INSTALLED = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall"
OURS = r"HKLM\Software\vsocks"
KEYS = (SERVICE, EVENTS, INSTALLED, OURS)


@pytest.fixture(scope="module")
def msi(folder_form: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_msi(tmp_path_factory.mktemp("msi"))


class Machine:
    """A prefix with Windows Installer, and what our package has put there."""

    def __init__(self, wine: Wine) -> None:
        self.wine = wine
        drive = wine.prefix / "drive_c"
        self.folder = drive / "Program Files" / "vsocks"
        self.data = drive / "ProgramData" / "vsocks"

    def install(self, msi: Path, **properties: str) -> str:
        words = [f"{name}={value}" for name, value in properties.items()]
        return self.msiexec("/i", self.wine.windows_path(msi), *words)

    def msiexec(self, *words: str) -> str:
        return self.wine.run("msiexec", *words, "/qn", timeout=170)

    def service(self, *words: str) -> str:
        return self.wine.run(self.folder / "vsocks-guest.exe", "service", *words, timeout=170)

    def registry(self, key: str) -> str:
        """What is below a key; nothing if there is no such one."""
        try:
            return self.wine.run("reg", "query", key, "/s").strip()
        except WineError:
            return ""


@pytest.fixture
def machine(own_wine: Wine) -> Machine:
    return Machine(own_wine)


def options() -> dict[str, str]:
    """For ports of this test's own."""
    return {
        "LISTEN": f"127.0.0.1:{free_port()}",
        "CHANNEL": f"tcp-listen:127.0.0.1:{free_port()}",
    }


def test_the_whole_life(msi: Path, machine: Machine, folder_form: Path, tmp_path: Path) -> None:
    given = options()
    (tmp_path / "users").write_text("alice:secret\n")
    users = machine.wine.windows_path(tmp_path / "users")
    machine.install(msi, **given, USERS_FILE=users, OPTIONS="--max-streams 7")
    assert files_of(machine.folder) == files_of(folder_form.parent)
    settings = (machine.data / "guest.toml").read_text()
    for value in (*given.values(), "max-streams = 7", "users.txt"):
        assert value in settings
    assert (machine.data / "users.txt").read_text() == "alice:secret\n"
    # It asks for a password now, so it doesn't tell more than that it runs.
    assert "is running (process " in machine.service("status")
    assert "LocalSystem" in machine.registry(SERVICE)
    assert "EventCreate.exe" in machine.registry(EVENTS)
    entry = machine.registry(INSTALLED)
    for line in ("DisplayName    REG_SZ    vsocks guest", "NoModify    REG_DWORD    0x1"):
        assert line in entry
    product = re.findall(r"Uninstall\\(\{.*\})", entry)
    with pytest.raises(WineError, match=re.escape(f"msiexec /x {product[0]}")):
        machine.service("uninstall")

    newer = package(files_of(folder_form.parent), tmp_path / "newer.msi", "99.0.1")
    machine.install(newer)
    assert "is running (process " in machine.service("status")
    assert (machine.data / "guest.toml").read_text() == settings
    entry = machine.registry(INSTALLED)
    assert re.findall(r"DisplayVersion +REG_SZ +(.*)", entry) == ["99.0.1"]
    with pytest.raises(WineError):
        machine.install(msi)
    assert machine.registry(INSTALLED) == entry

    # A user of the program has broken it, and somebody repairs it.
    machine.service("stop")
    (machine.folder / "_internal" / "base_library.zip").unlink()
    machine.install(newer, REINSTALL="ALL")
    assert files_of(machine.folder) == files_of(folder_form.parent)
    assert "is running (process " in machine.service("status")

    machine.msiexec("/x", machine.wine.windows_path(newer))
    assert [*machine.folder.parent.glob("vsocks*"), *machine.folder.rglob("*")] == []
    assert {key: machine.registry(key) for key in KEYS} == dict.fromkeys(KEYS, "")
    assert (machine.data / "guest.toml").read_text() == settings


def test_nonsense_installs_nothing(msi: Path, machine: Machine) -> None:
    with pytest.raises(WineError):
        machine.install(msi, LISTEN="nonsense")
    assert {key: machine.registry(key) for key in KEYS} == dict.fromkeys(KEYS, "")


def test_it_takes_over_from_the_program(msi: Path, machine: Machine, file_form: Path) -> None:
    """What was installed by the .exe is the MSI's then, settings and all."""
    given = options()
    words = ("--listen", given["LISTEN"], "--channel", given["CHANNEL"])
    machine.wine.run(file_form, "service", "install", *words, timeout=170)
    settings = (machine.data / "guest.toml").read_text()
    machine.install(msi, START="0")
    assert (machine.data / "guest.toml").read_text() == settings
    with pytest.raises(WineError, match="vsocks-guest is stopped"):
        machine.service("status")
    machine.msiexec("/x", machine.wine.windows_path(msi))
    assert [*machine.folder.parent.glob("vsocks*"), *machine.folder.rglob("*")] == []
    assert {key: machine.registry(key) for key in KEYS} == dict.fromkeys(KEYS, "")
