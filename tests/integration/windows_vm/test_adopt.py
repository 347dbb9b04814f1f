"""A box becomes an image, with GRUB in it, which says what Windows would and answers to nobody.

tests/e2e/test_windows_box.py goes the whole way, with a system that answers.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.spec import Accel
from harness.vm import NoAnswerError
from harness.windows import adopt
from harness.windows.adopt import Box
from harness.windows.image import find_image
from harness.windows.machine import FIRMWARE, Firmware
from harness.windows.milestones import MissedError
from harness.windows.profile import load
from tests.integration.windows_vm import things
from tests.integration.windows_vm.grub_disc import grub_program
from tests.integration.windows_vm.test_firmware import spoken

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400, func_only=True),
    pytest.mark.skipif(not FIRMWARE.is_file(), reason=f"no {FIRMWARE}: install the package ovmf"),
]

PROFILE = replace(load("server-2022"), memory_mb=512, cpus=1)
PLACE = 1 << 20
PICTURED = "sleep 60"
"""How GRUB ends when a picture of the screen is to be made: it leaves QEMU the time for that."""
LATER = ["vsocks: booting", "vsocks: ready", "vsocks: evaluation-minutes 259200"]


@pytest.fixture
def open_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody had answered, and run the command."""

    @contextmanager
    def way_in(*_: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(adopt, "way_in", way_in)


def box(folder: Path, lines: list[str], end: str = "halt") -> Box:
    """A disk with a GPT, and GRUB where the firmware looks for it."""
    # Said twice: the firmware's driver of the serial port may lose a character on a busy machine.
    script = "".join(f"echo '{line}'\necho '{line}'\n" for line in lines) + f"{end}\n"
    raw, disk = folder / "box.raw", folder / "box.qcow2"
    with raw.open("wb") as file:
        file.truncate(66 << 20)
    table = b"label: gpt\nstart=1MiB,size=64MiB,type=uefi\n"
    subprocess.run(["sfdisk", "-q", str(raw)], input=table, check=True)
    esp = f"{raw}@@{PLACE}"
    subprocess.run(["mformat", "-i", esp, "-F", "-T", str(64 * 2048), "::"], check=True)
    subprocess.run(["mmd", "-i", esp, "::/EFI", "::/EFI/BOOT"], check=True)
    program = str(grub_program(script, folder))
    subprocess.run(["mcopy", "-i", esp, program, "::/EFI/BOOT/BOOTX64.EFI"], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(disk)], check=True)
    return Box(disk, "vagrant", agent=True, virtio_win_iso=things.virtio_win(folder))


def provisioning() -> list[str]:
    """What is said from the call of first-logon.cmd on."""
    lines = spoken()
    return lines[next(at for at, line in enumerate(lines) if "reached first-logon" in line) :]


@pytest.mark.usefixtures("open_door")
def test_a_box_is_provisioned_and_boots_as_an_image(cache: Path, tmp_path: Path) -> None:
    source = box(tmp_path, [*provisioning(), *LATER])
    made = adopt.adopt(PROFILE, source)
    record = made.record
    assert (record.account, record.disk_bus, record.firmware) == ("vagrant", "ahci", "PLAIN")
    assert record.host_key.startswith("AAAAC3NzaC1lZDI1NTE5")
    assert record.expiry_source == "told by Windows"
    assert record.checksums.keys() == {"box", "virtio-win"}
    assert find_image({}) == made
    left = {path.name for path in made.folder.iterdir()}
    assert left == {"disk.qcow2", "variables.fd", "id_ed25519", "id_ed25519.pub", "record.json"}
    assert adopt.adopt(PROFILE, source) == made
    assert made.spec(Accel.TCG, made.parts).firmware is Firmware.PLAIN


@pytest.mark.usefixtures("open_door")
def test_a_provisioning_that_fails_leaves_no_image(cache: Path, tmp_path: Path) -> None:
    said = ["vsocks: reached first-logon", "vsocks: failed: no reason"]
    source = box(tmp_path, said, PICTURED)
    with pytest.raises(MissedError, match="vsocks: failed: no reason"):
        adopt.adopt(PROFILE, source)
    assert find_image({}) is None
    kept = {path.name for path in (cache / "windows-build").iterdir()}
    assert {"provision-console.log", "error.txt", "at-the-failure.png"} <= kept


def test_a_box_in_which_nobody_answers_is_told_with_its_picture(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "BOOT_SECONDS", 0)
    with pytest.raises(NoAnswerError, match=r"no guest agent answered(?s:.*)its screen"):
        adopt.adopt(PROFILE, box(tmp_path, ["vsocks: nothing"], PICTURED))
    assert find_image({}) is None
