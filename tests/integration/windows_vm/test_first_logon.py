"""first-logon.cmd in Wine's cmd; stand-ins for what Wine lacks (certutil, tar, the COM port)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.exe.python import windows_python
from harness.exe.wine import Wine, private_wine
from harness.windows.iso import MANIFEST, manifest
from harness.windows.profile import RECIPE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300, func_only=True),
    pytest.mark.skipif(not shutil.which("wine"), reason="Wine is not installed"),
]

# Like the real one it prints the checksum on a line of its own; like the real one it is a program.
CERTUTIL = (
    "import hashlib, sys; d = open(sys.argv[1], 'rb').read(); print(hashlib.sha256(d).hexdigest())"
)


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    own = private_wine(tmp_path_factory.mktemp("wine") / "prefix")
    try:
        with own.services():  # one start for all: a test would find those of the last one ending
            yield own
    finally:
        own.stop()


@pytest.fixture
def drive(wine: Wine) -> Path:
    """A C: with a provisioning disc in C:\\disc and stand-ins beside it."""
    drive = wine.prefix / "drive_c"
    for name in ("disc", "vsocks"):
        shutil.rmtree(drive / name, ignore_errors=True)
    disc = drive / "disc"
    disc.mkdir()
    for name in ("python.zip", "inside.zip", "readme.txt"):
        (disc / name).write_text(f"this is {name}")
    (disc / MANIFEST).write_text(manifest(disc))
    script = (RECIPE / "guest" / "first-logon.cmd").read_text()
    python = wine.windows_path(windows_python() / "python.exe")
    for real, stand_in in (
        ("certutil -hashfile", rf"{python} C:\certutil.py"),
        (" SHA256 >", " >"),
        ("find /i", "find"),  # Wine's knows no switch
        (">COM1 echo", r">>C:\com.txt echo"),
        ("tar -xf", "rem tar -xf"),
        (r"%HOME%\python\python.exe -m inside.provision", rf"{python} C:\provision.py"),
    ):
        assert real in script
        script = script.replace(real, stand_in)
    (disc / "first-logon.cmd").write_text(script.replace("\n", "\r\n"))
    (drive / "certutil.py").write_text(CERTUTIL)
    (drive / "provision.py").write_text("import sys; print(sys.argv[1:])")
    (drive / "com.txt").unlink(missing_ok=True)
    return drive


def told(wine: Wine, drive: Path) -> list[str]:
    try:
        wine.run("cmd", "/c", r"C:\disc\first-logon.cmd")
    except Exception as error:
        print(error)
    return [line.strip() for line in (drive / "com.txt").read_text().splitlines()]


def test_a_whole_disc_is_unpacked_and_provisioned_from(wine: Wine, drive: Path) -> None:
    lines = told(wine, drive)
    assert lines == [f"vsocks: reached {it}" for it in ("first-logon", "checksums", "unpacked")]
    log = (drive / "vsocks" / "logs" / "provision.log").read_text()
    assert "settings.json" in log


def test_a_damaged_file_stops_it_before_anything_is_used(wine: Wine, drive: Path) -> None:
    (drive / "disc" / "readme.txt").write_text("something else")
    lines = told(wine, drive)
    assert lines[0] == "vsocks: reached first-logon"
    assert "failed: the checksum of readme.txt" in lines[1]
    assert len(lines) == 2
    assert not (drive / "vsocks" / "python").exists()


def test_a_missing_file_stops_it_too(wine: Wine, drive: Path) -> None:
    (drive / "disc" / "inside.zip").unlink()
    assert "failed: the checksum of inside.zip" in told(wine, drive)[1]


def test_a_provisioning_that_fails_is_told(wine: Wine, drive: Path) -> None:
    (drive / "provision.py").write_text("raise SystemExit(3)")
    assert told(wine, drive)[-1].startswith("vsocks: failed: inside.provision has ended")
