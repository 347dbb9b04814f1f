"""A box becomes an image: all of it but Windows, in whose place Debian says what Windows would."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.debian_lab import DebianLab
from harness.image import RECIPE, Image
from harness.windows.adopt import Box, adopt
from harness.windows.image import find_image
from harness.windows.machine import Firmware
from harness.windows.profile import load
from tests.integration.windows_vm import things
from tests.integration.windows_vm.grub_disc import grub_program
from tests.integration.windows_vm.test_firmware import spoken

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900, func_only=True)]

PROFILE = replace(load("server-2022"), memory_mb=1024, cpus=1)
MEGABYTE = 1 << 20
ROOT = 65
"""Where the second partition begins, in megabytes."""
GRUB = "linux /vmlinuz console=ttyS0 quiet panic=-1\ninitrd /initrd /init.cpio\nboot\n"
MODULES = ("part_gpt", "fat", "linux", "boot")


def stand_in(image: Image, said: list[str], folder: Path) -> Path:
    """The Debian guest as a box: bootable by firmware, with an agent, and a cmd.exe that speaks.

    What Windows would say during its provisioning it says, and from the next boot on, what Windows
    would say then.
    """
    raw, box = folder / "box.raw", folder / "box.qcow2"
    with raw.open("wb") as file:
        file.truncate(image.disk.stat().st_size + (ROOT + 2) * MEGABYTE)
    table = f"label: gpt\nstart=1MiB,size={ROOT - 1}MiB,type=uefi\nstart={ROOT}MiB,type=linux\n"
    run("sfdisk", "-q", str(raw), feed=table)
    run("dd", f"if={image.disk}", f"of={raw}", "bs=1M", f"seek={ROOT}", "conv=sparse,notrunc")
    write_esp(raw, image, folder)
    write_cmd(raw, said, folder)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(box))
    raw.unlink()
    return box


def write_esp(raw: Path, image: Image, folder: Path) -> None:
    """GRUB, the kernel, and the guest's initrd with an init that looks for the second partition."""
    init = (RECIPE / "initrd-init").read_text().replace("/dev/vda", "/dev/vda2")
    (folder / "init.cpio").write_bytes(cpio("init", init.encode()))
    esp = f"{raw}@@{MEGABYTE}"
    run("mformat", "-i", esp, "-F", "-T", str((ROOT - 1) * 2048), "::")
    run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    for source, target in (
        (grub_program(GRUB, folder, MODULES), "EFI/BOOT/BOOTX64.EFI"),
        (image.kernel, "vmlinuz"),
        (image.initrd, "initrd"),
        (folder / "init.cpio", "init.cpio"),
    ):
        run("mcopy", "-i", esp, str(source), f"::/{target}")


def cpio(name: str, content: bytes) -> bytes:
    """An archive with one program, as the kernel unpacks it (newc), over what it has unpacked."""
    return _entry(name, content, 0o100755) + _entry("TRAILER!!!", b"", 0)


def _entry(name: str, content: bytes, mode: int) -> bytes:
    numbers = (1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(head + name.encode() + b"\0") + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def write_cmd(raw: Path, said: list[str], folder: Path) -> None:
    """The program that the agent is told to run."""
    later = ["vsocks: booting", "vsocks: ready", "vsocks: evaluation-minutes 259200"]
    lines = ["#!/bin/sh", '[ "$1" = /c ] || exit 1', *speaking(said)]
    lines += ["cat >> /usr/local/sbin/boot << 'END'", *speaking(later), "END"]
    lines += ["sync", "/bin/busybox poweroff -f"]
    script = folder / "cmd"
    script.write_text("\n".join(lines) + "\n")
    commands = f"write {script} /usr/bin/cmd.exe\nsif /usr/bin/cmd.exe mode 0100755\n"
    (folder / "commands").write_text(commands)
    run("debugfs", "-w", "-f", str(folder / "commands"), f"{raw}?offset={ROOT * MEGABYTE}")


def speaking(lines: list[str]) -> list[str]:
    """A shell's lines that say these on the console."""
    return [f"echo {shlex.quote(line)} > /dev/ttyS0" for line in lines]


def run(*command: str, feed: str = "") -> None:
    subprocess.run(command, input=feed.encode(), capture_output=True, check=True)


def test_a_box_is_entered_provisioned_and_boots_as_an_image(
    debian: DebianLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, choice = debian.machine()
    monkeypatch.setenv("VSOCKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VSOCKS_ACCEL", choice.accel)
    monkeypatch.setattr("harness.exe.python.windows_python", lambda: things.python(tmp_path))
    lines = spoken()
    first = next(number for number, line in enumerate(lines) if "reached first-logon" in line)
    box = stand_in(image, lines[first:], tmp_path)
    made = adopt(PROFILE, Box(box, "vagrant", agent=True, disk_bus="virtio"))
    assert (made.record.account, made.record.disk_bus) == ("vagrant", "virtio")
    assert made.record.firmware == Firmware.PLAIN.name
    assert made.record.host_key.startswith("AAAAC3NzaC1lZDI1NTE5")
    assert made.record.checksums.keys() == {"box"}
    assert find_image({}) == made
    assert not (made.folder / "provision.iso").exists()
    assert adopt(PROFILE, Box(box, "vagrant", agent=True, disk_bus="virtio")) == made
