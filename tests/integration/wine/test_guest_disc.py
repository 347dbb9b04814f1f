"""What a Windows guest finds on the guest's disc, and what install.cmd does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.exe.wine import Wine, WineError
from harness.guest_disc.iso import listing, write_guest_iso
from harness.windows.iso import MANIFEST, extract, manifest
from tests.integration.support.layouts import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500, func_only=True)]


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    iso = tmp_path_factory.mktemp("disc") / "vsocks-guest.iso"
    write_guest_iso(iso)
    return iso


@pytest.fixture
def letter(disc: Path, tmp_path: Path) -> Path:
    """The disc's files as Windows sees them, by Joliet."""
    folder = tmp_path / "disc"
    extract(disc, "/", folder, joliet=True)
    return folder


def test_two_discs_are_the_same_to_the_byte(file_form: Path, disc: Path, tmp_path: Path) -> None:
    write_guest_iso(tmp_path / "again.iso")
    assert (tmp_path / "again.iso").read_bytes() == disc.read_bytes()


def test_every_file_is_there_and_whole(file_form: Path, disc: Path, letter: Path) -> None:
    assert (letter / MANIFEST).read_text() == manifest(letter)
    names = {path.name for path in letter.iterdir()}
    assert ("vsocks-guest.msi" in names) == ("vsocks-guest.exe" in names)
    assert {"README.txt", "install.cmd", "vsocks-guest.exe", "install.sh", "vsocks.pyz"} <= names
    assert names == {line.split()[1] for line in listing(disc)}
    assert (letter / "vsocks-guest.exe").read_bytes() == file_form.read_bytes()


def test_notepad_and_cmd_get_their_ends_of_lines(file_form: Path, letter: Path) -> None:
    for name in ("README.txt", "install.cmd"):
        content = (letter / name).read_bytes()
        assert content.count(b"\r\n") == content.count(b"\n") > 10
    assert b"\r" not in (letter / "install.sh").read_bytes()


def test_install_cmd_installs_and_starts_the_service(
    file_form: Path, own_wine: Wine, letter: Path
) -> None:
    script = own_wine.windows_path(letter / "install.cmd")
    options = ("--channel", f"tcp-listen:127.0.0.1:{free_port()}")
    told = own_wine.run("cmd", "/c", script, *options, timeout=170)
    assert "will start with Windows" in told
    assert "Programs can use 127.0.0.1:1080" in told
    program = own_wine.prefix / "drive_c" / "Program Files" / "vsocks" / "vsocks-guest.exe"
    assert "running" in own_wine.run(program, "service", "status")
    own_wine.run(program, "service", "stop", timeout=170)


def test_install_cmd_tells_that_it_failed(file_form: Path, own_wine: Wine, letter: Path) -> None:
    script = own_wine.windows_path(letter / "install.cmd")
    with pytest.raises(WineError, match="vsocks was not installed") as failed:
        own_wine.run("cmd", "/c", script, "--listen", "nonsense", timeout=170)
    assert "'nonsense' is not ADDR:PORT" in str(failed.value)
