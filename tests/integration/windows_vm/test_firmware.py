"""The Windows machine on real firmware, with discs that play an installation, and its failures.

The firmware, QEMU, the discs' boot and the keyboard are real; GRUB says what Windows would.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.spec import Accel
from harness.transcript import WaitError
from harness.vm import VM
from harness.windows.evidence import Evidence
from harness.windows.install import boot, install
from harness.windows.machine import FIRMWARE, HYPER_V, NOTHING_TO_BOOT, VARIABLES, WindowsSpec
from harness.windows.milestones import INSTALLATION, MissedError
from harness.windows.parts import new_disk
from tests.integration.windows_vm.grub_disc import fat_image, grub_disc, grub_program

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400, func_only=True),
    pytest.mark.skipif(not FIRMWARE.is_file(), reason=f"no {FIRMWARE}: install the package ovmf"),
]

SAID = Path(__file__).parents[2] / "unit" / "harness" / "console-of-an-installation.txt"
SECONDS = 60


def spoken() -> list[str]:
    """What an installation says after the firmware, without what GRUB cannot print simply."""
    lines = [line for line in SAID.read_text().splitlines() if "BdsDxe" not in line]
    return [line.replace("Press any key to boot from CD or DVD......", "") for line in lines]


def script(lines: list[str], end: str = "halt") -> str:
    """For GRUB: the prompt of a Windows disc, and what comes after a key.

    All is said twice. The firmware's driver of the serial port gives up a character that the port
    doesn't take in time, as on a busy machine (PciSioSerialDxe, SerialWrite).
    """
    echoes = "".join(f"echo '{line}'\necho '{line}'\n" for line in lines)
    return f"echo 'Press any key to boot from CD or DVD'\nread key\n{echoes}\n{end}\n"


@pytest.fixture
def spec(tmp_path: Path) -> WindowsSpec:
    new_disk(tmp_path / "disk.qcow2", 1)
    shutil.copy(VARIABLES, tmp_path / "variables.fd")
    return WindowsSpec(
        tmp_path / "disk.qcow2", tmp_path / "variables.fd", Accel.TCG, memory_mb=512, cpus=1
    )


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(tmp_path / "evidence")


def test_the_firmware_comes_up_and_finds_nothing_to_boot(spec: WindowsSpec) -> None:
    with VM(spec) as vm:
        vm.console.wait("BdsDxe: failed to load Boot.*HARDDISK.*Not Found", timeout=SECONDS)
        vm.console.wait(NOTHING_TO_BOOT, timeout=SECONDS)


def test_an_installation_is_watched_from_the_key_to_the_end(
    spec: WindowsSpec, evidence: Evidence, tmp_path: Path
) -> None:
    disc = grub_disc(script(spoken()), tmp_path / "disc")
    second = grub_disc("halt\n", tmp_path / "second")
    lines = install(replace(spec, cdroms=(disc, second)), evidence)
    assert lines["evaluation"].text.split()[-1] == "259200"
    assert list(lines) == [it.name for it in INSTALLATION if it.name != "activation"]
    kept = {path.name for path in evidence.folder.iterdir()}
    assert {"install-console.log", "install-qmp.log", "install-qemu.log", "01-disc.png"} <= kept
    assert (evidence.folder / "01-disc.png").read_bytes().startswith(b"\x89PNG")
    assert "send-key" in (evidence.folder / "install-qmp.log").read_text()
    assert not (evidence.folder / "error.txt").exists()


def test_a_failure_leaves_a_picture_the_console_and_the_reason(
    spec: WindowsSpec, evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = ["vsocks: reached windows-pe", "vsocks: reached first-logon", "vsocks: failed: why"]
    disc = grub_disc(script(failing, "sleep 60"), tmp_path / "disc")
    with pytest.raises(MissedError, match="milestone not reached: checksums"):
        install(replace(spec, cdroms=(disc,)), evidence)
    assert "vsocks: failed: why" in (evidence.folder / "error.txt").read_text()
    assert "vsocks: failed: why" in (evidence.folder / "install-console.log").read_text()
    picture = evidence.folder / "at-the-failure.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert str(evidence.folder) in capsys.readouterr().err


def test_a_disc_that_cannot_be_booted_is_noticed_at_once(
    spec: WindowsSpec, evidence: Evidence, tmp_path: Path
) -> None:
    # GRUB gives up at once, as a disc's loader does to which nobody presses a key.
    disc = grub_disc("exit\n", tmp_path / "disc")
    with pytest.raises(MissedError, match=r"it said .*(failed to start|UiApp)"):
        install(replace(spec, cdroms=(disc,)), evidence)


def test_an_installed_disk_is_booted_before_a_disc(
    spec: WindowsSpec, evidence: Evidence, tmp_path: Path
) -> None:
    said = ["vsocks: booting", "vsocks: ready", "vsocks: evaluation-minutes 1"]
    install_grub(spec.disk, "".join(f"echo '{it}'\n" for it in said) + "sleep 60\n", tmp_path)
    disc = grub_disc("echo 'vsocks: failed: the disc was booted'\n", tmp_path / "disc")
    assert list(boot(replace(spec, cdroms=(disc,)), evidence)) == ["booting", "ready", "evaluation"]


def test_a_machine_resets_and_goes_back_to_a_snapshot(spec: WindowsSpec, tmp_path: Path) -> None:
    count = "echo tick\nsleep 1\n" * 60
    install_grub(spec.disk, f"echo 'vsocks: ready'\n{count}", tmp_path)
    with VM(spec) as vm:
        vm.wait_until_booted(SECONDS)
        vm.save_snapshot("warm")
        mark = vm.console.mark()
        vm.reset()
        vm.wait_until_booted(SECONDS, after=mark)
        assert vm.port_is_open() is False
    # Another machine goes on from there: all its devices can be saved and loaded.
    with VM(spec) as vm:
        vm.load_snapshot("warm")
        vm.console.wait("tick", timeout=SECONDS)
        with pytest.raises(WaitError):
            vm.console.wait("vsocks: ready", timeout=0)


def install_grub(disk: Path, script: str, folder: Path) -> None:
    """A disk with nothing but an EFI program on it."""
    place = folder / "efi"
    place.mkdir()
    raw = fat_image(grub_program(script, place), place / "disk.raw", 64)
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(disk)]
    subprocess.run(command, check=True)


def test_qemu_knows_every_flag_that_kvm_gets(spec: WindowsSpec) -> None:
    with VM(spec) as vm:
        told = vm.qmp.execute("device-list-properties", {"typename": "host-x86_64-cpu"})
    assert {flag.partition("=")[0] for flag in HYPER_V} <= {it["name"] for it in told}
