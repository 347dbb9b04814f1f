"""KVM or emulation? KVM only if it has just booted something here."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .cache import cache_folder
from .debian_machine import KERNEL_UP, VMSpec
from .image import Image
from .programs import qemu
from .progress import step
from .qemu import LaunchError
from .qmp import QMPError
from .spec import Accel, Machine
from .transcript import WaitError
from .vm import VM

KVM_DEVICE = Path("/dev/kvm")
TRIAL_SECONDS = 20
REMEMBERED_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Choice:
    """An accelerator and why it was taken."""

    accel: str
    reason: str

    def __str__(self) -> str:
        return f"{self.accel}: {self.reason}"


def choose(image: Image) -> Choice:
    """The best accelerator that works, remembered for a day or until the host boots.

    $VSOCKS_ACCEL (kvm or tcg) decides instead, if set.
    """
    return choose_by_boot(VMSpec(image.kernel, image.initrd, Accel.KVM, memory_mb=256), KERNEL_UP)


def choose_by_boot(trial: Machine, sign: str) -> Choice:
    """As `choose`; KVM works if `trial`, a machine under KVM, prints `sign` when it boots."""
    if forced := os.environ.get("VSOCKS_ACCEL"):
        return Choice(Accel(forced).value, "VSOCKS_ACCEL asks for it")
    memory = cache_folder() / "accel.json"
    here = _identity()
    if remembered := _recall(memory, here):
        return remembered
    choice = _try_kvm(trial, sign)
    memory.write_text(json.dumps({"here": here, "at": time.time(), **asdict(choice)}))
    return choice


def qemu_version() -> str:
    """The first line of what it says to `--version`."""
    told = subprocess.run([qemu(), "--version"], capture_output=True, text=True, check=True)
    return told.stdout.splitlines()[0]


def _identity() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {qemu_version()} {os.geteuid()}"


def _recall(memory: Path, here: str) -> Choice | None:
    try:
        known = json.loads(memory.read_text())
        fresh = known["here"] == here and time.time() - known["at"] < REMEMBERED_SECONDS
        return Choice(known["accel"], known["reason"]) if fresh else None
    except (OSError, ValueError, KeyError):
        return None


def _try_kvm(trial: Machine, sign: str) -> Choice:
    if not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
        return Choice(Accel.TCG.value, f"{KVM_DEVICE} {why_closed(KVM_DEVICE)}")
    # The device may be there, and even make a virtual machine, and still never run one.
    try:
        with step("trying whether KVM boots"), VM(trial) as vm:
            line = vm.console.wait(sign, timeout=TRIAL_SECONDS)
    except LaunchError as error:
        return Choice(Accel.TCG.value, f"KVM does not start: {_last_line(error)}")
    except (WaitError, QMPError):
        return Choice(Accel.TCG.value, f"a trial boot under KVM said nothing for {TRIAL_SECONDS} s")
    return Choice(Accel.KVM.value, f"a trial boot under KVM printed {line.text!r}")


def why_closed(device: Path) -> str:
    """Why a device can't be opened by this user, and what to do."""
    if not device.exists():
        return "does not exist"
    try:
        group = device.group()
    except KeyError:  # a group of another machine, as in a container
        group = str(device.stat().st_gid)
    return (
        f"may not be opened by this user, but by the group {group}: "
        f"`sudo usermod -aG {group} $USER`, log in anew, and it will be quicker"
    )


def _last_line(error: LaunchError) -> str:
    return str(error).strip().splitlines()[-1]
