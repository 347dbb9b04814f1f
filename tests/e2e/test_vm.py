"""The machine itself: a boot from nothing, a launch that fails, an end that nobody outlives."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.debian import DebianGuest
from harness.debian_lab import DebianLab
from harness.debian_machine import VMSpec
from harness.places import ROOT
from harness.qemu import LaunchError
from harness.spec import Accel
from harness.vm import VM, NoAnswerError
from harness.warm import cold_spec, new_disk
from tests.e2e.rig import SOON

pytestmark = pytest.mark.e2e


def test_a_cold_boot_ends_with_sshd(
    debian: DebianLab, tmp_path: Path, vm_note: Callable[[str], None]
) -> None:
    image, choice = debian.machine()
    began = time.monotonic()
    with VM(cold_spec(image, choice, new_disk(image, tmp_path / "disk.qcow2"))) as vm:
        vm.wait_until_booted()
        vm_note(f"booted in {time.monotonic() - began:.1f} s")
        with DebianGuest(vm, image) as guest:
            assert guest.succeed("readlink /dev/virtio-ports/org.vsocks.0").startswith("../vport")
        vm.screenshot(tmp_path / "screen.png")
        assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")


def test_a_failed_launch_tells_the_command_line_and_what_qemu_said(debian: DebianLab) -> None:
    image, _ = debian.machine()
    spec = VMSpec(Path("/no/such/kernel"), image.initrd, Accel.TCG)
    with pytest.raises(LaunchError) as failure, VM(spec):
        pytest.fail("it started")
    message = str(failure.value)
    assert "ended with status 1" in message
    assert "-kernel /no/such/kernel" in message
    assert "could not" in message.partition("printed:")[2]


def test_the_machine_dies_with_the_process_that_started_it(debian: DebianLab) -> None:
    image, _ = debian.machine()
    script = (
        "import sys; from pathlib import Path\n"
        "from harness.debian_machine import VMSpec; from harness.spec import Accel\n"
        "from harness.vm import VM\n"
        f"spec = VMSpec(Path({str(image.kernel)!r}), Path({str(image.initrd)!r}), Accel.TCG)\n"
        "with VM(spec) as vm:\n"
        "    print(vm.pid, vm.folder, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout
        pid, folder = parent.stdout.readline().split()
        qemu = os.pidfd_open(int(pid))
        parent.kill()
    gone, _, _ = select.select([qemu], [], [], SOON)
    os.close(qemu)
    subprocess.run(["rm", "-r", folder], check=True)
    assert gone


def test_a_machine_that_does_not_boot_is_told_with_its_console_and_screen(
    debian: DebianLab, tmp_path: Path
) -> None:
    image, choice = debian.machine()
    nothing = tmp_path / "initrd"
    nothing.write_bytes(bytes(512))
    spec = VMSpec(image.kernel, nothing, Accel(choice.accel))
    with pytest.raises(NoAnswerError) as failure, VM(spec) as vm:
        vm.wait_until_booted()
    message = str(failure.value)
    assert "Kernel panic - not syncing: VFS" in message
    screen = Path(message.rpartition("its screen at that moment: ")[2])
    assert screen.read_bytes().startswith(b"\x89PNG")
    screen.unlink()


def test_a_machine_that_boots_and_does_not_answer_is_told_likewise(debian: DebianLab) -> None:
    image, choice = debian.machine()
    # Its agent has no port.
    with VM(VMSpec(image.kernel, image.initrd, Accel(choice.accel))) as vm:
        with pytest.raises(NoAnswerError) as failure, vm.awaiting_an_answer():
            raise ConnectionError("nobody is there")
        assert str(failure.value).startswith("nobody is there\nthe console's last lines:\n")
        Path(str(failure.value).rpartition(": ")[2]).unlink()
