"""Images that somebody brings to the harness: what is said of those that are none or don't boot."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.cloud.firmware import OVMF, Firmware
from harness.cloud.image import cloud_image, lay_out
from harness.cloud.lab import CloudLab
from harness.cloud.machine import BROKEN, READY
from harness.cloud.seed import user_data
from harness.guest_disc.iso import listing
from harness.image import ImageError
from harness.places import ROOT
from harness.programs import MissingProgramError
from harness.vm import NoAnswerError
from harness.windows import machine
from harness.windows.iso import extract, volume_label
from tests.integration.support.plugin_run import project, run

pytestmark = pytest.mark.integration

SPEAKS = bytes.fromhex("31c08ed8baf803be157cac84c07403eeebf8f4ebfd")
"""Of a boot sector, of 16 bits: it writes what follows to COM1, up to a zero byte, and halts."""
QUIET_SECONDS = 20
NEEDS_OVMF = pytest.mark.skipif(
    not OVMF.code.is_file(), reason=f"no {OVMF.code}: install the package ovmf"
)


def disk_that_says(text: str, path: Path) -> Path:
    """A raw disk that boots by BIOS, says it on the serial line, and no more."""
    code = SPEAKS + text.encode() + b"\0"
    path.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    return path


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    path = tmp_path / "blank.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("VSOCKS_CACHE", str(folder))
    monkeypatch.setenv("VSOCKS_ACCEL", "tcg")
    return folder


def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("command", ["run", "shell"])
def test_a_file_that_is_not_there_is_wrong_usage(command: str, tmp_path: Path) -> None:
    words = ["--", "true"] if command == "run" else []
    done = harness(command, "--image", str(tmp_path / "none.qcow2"), *words)
    assert done.returncode == 2
    assert "none.qcow2' is no file" in done.stderr


def test_firmware_without_an_image_is_wrong_usage() -> None:
    done = harness("shell", "--firmware", "uefi")
    assert done.returncode == 2
    assert "--firmware is about an --image" in done.stderr


def test_a_file_that_is_no_image_is_told_from_one(cache: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.img"
    text.write_text("no disk\n")
    done = harness("run", "--image", str(text), "--", "true")
    assert done.returncode == 125
    assert f"harness: error: {text} is no image of a disk" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_image_is_told_in_qemu_s_words(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.qcow2"
    damaged.write_bytes(b"QFI\xfb" + (3).to_bytes(4) + bytes(1000))
    with pytest.raises(ImageError, match=r"damaged\.qcow2 can't be used: .*Unsupported"):
        cloud_image(damaged)


def test_formats_are_told_apart(blank: Path, tmp_path: Path) -> None:
    assert cloud_image(blank).form == "qcow2"
    assert cloud_image(disk_that_says("", tmp_path / "disk.raw")).form == "raw"


def test_what_does_not_boot_is_told_at_once_and_leaves_nothing(blank: Path, cache: Path) -> None:
    done = harness("run", "--image", str(blank), "--", "true")
    assert done.returncode == 125
    assert "No bootable device" in done.stderr
    assert (
        f"{blank} must boot by bios (some boot by uefi alone), and have cloud-init" in done.stderr
    )
    assert {path.suffix for path in (cache / "images").iterdir()} == {".lock"}


@NEEDS_OVMF
def test_the_same_by_uefi(blank: Path, cache: Path) -> None:
    with pytest.raises(NoAnswerError, match=r"must boot by uefi \(some boot by bios alone\)"):
        CloudLab(blank, Firmware.UEFI).prepare()


def test_without_ovmf_there_is_no_uefi(
    blank: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "OVMF", Path("/none"))
    with pytest.raises(MissingProgramError, match=r"no /none/OVMF_CODE.*install ovmf"):
        CloudLab(blank, Firmware.UEFI).prepare()


def test_a_system_without_cloud_init_is_told_with_its_last_words(
    cache: Path, tmp_path: Path
) -> None:
    disk = disk_that_says("another login:\r\n", tmp_path / "disk.raw")
    before = disk.read_bytes()
    with pytest.raises(NoAnswerError) as raised:
        CloudLab(disk, boot_seconds=QUIET_SECONDS).prepare()
    told = str(raised.value)
    assert "another login:" in told
    assert "and have cloud-init" in told
    [screen] = re.findall(r"its screen at that moment: (.*\.png)", told)
    assert Path(screen).read_bytes().startswith(b"\x89PNG")
    Path(screen).unlink()
    assert disk.read_bytes() == before


@pytest.mark.parametrize("status", [0, 1])
def test_the_setup_ends_with_a_line_that_says_how_it_went(status: int) -> None:
    [[*shell, script]] = yaml.safe_load(user_data("", "", ""))["runcmd"]
    programs = f"mount() {{ return {status}; }}; systemctl() {{ :; }}; sh() {{ echo installed; }}"
    script = script.replace("/dev/ttyS0", "/dev/stdout")
    done = subprocess.run(
        [*shell, f"{programs}\n{script}"], capture_output=True, text=True, check=True
    )
    assert re.search(BROKEN[0] if status else READY, done.stdout)
    assert ("installed" in done.stdout) == (status == 0)


def test_the_seed_is_a_disc_for_cloud_init_and_brings_vsocks(blank: Path, tmp_path: Path) -> None:
    folder = tmp_path / "machine"
    folder.mkdir()
    files = lay_out(cloud_image(blank), Firmware.BIOS, folder)
    assert volume_label(files.seed).lower() == "cidata"
    names = {line.split()[1] for line in listing(files.seed)}
    assert {"user-data", "meta-data", "install.sh", "vsocks.pyz", "vsocks-guest.service"} <= names
    extract(files.seed, "/user-data", tmp_path / "user-data")
    config = json.loads((tmp_path / "user-data").read_text().split("\n", 1)[1])
    assert config["ssh_authorized_keys"] == [files.key.with_suffix(".pub").read_text().strip()]
    assert config["ssh_keys"]["ed25519_private"] == files.key_of_host.read_text()


def test_the_plugin_says_the_same(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, cache: Path, blank: Path
) -> None:
    project(pytester, monkeypatch, "def test_it(vm): pass")
    # With "=": pytest, when it looks for conftest.py, takes another word for a path of tests.
    ended, told = run(pytester, "--vm-image=none.qcow2")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert "--vm-image none.qcow2: there is no such file" in told
    ended, told = run(pytester, "--vm-firmware", "uefi")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert "--vm-firmware is about a --vm-image FILE" in told
    ended, told = run(pytester, f"--vm-image={blank}")
    ended.assert_outcomes(errors=1)
    assert "No bootable device" in told
    assert "Traceback" not in told
