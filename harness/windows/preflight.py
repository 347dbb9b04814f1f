"""What can be said before an hour is spent: tools, space, sources, answer file, accelerator."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from ..accel import qemu_version
from ..cache import cache_folder
from ..programs import qemu
from .answer import answer_file, password
from .build import Sources, check_sources, choose_accel, need_firmware
from .checklist import Check
from .iso import volume_label
from .profile import Profile
from .settings import SETTINGS, faults

TOOLS = ("qemu-img", "xorriso", "ssh-keygen", "setpriv")
SPACE_GB = 40


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built."""

    profile: Profile
    sources: Sources


def tools(order: Order) -> str:
    """Programs and firmware are installed."""
    missing = [name for name in (qemu(), *TOOLS) if not shutil.which(name)]
    assert not missing, f"missing: {', '.join(missing)}"
    need_firmware(order.profile.firmware)
    return qemu_version()


def space(_: Order) -> str:
    """There is room for the image and what is made from it."""
    free = shutil.disk_usage(cache_folder()).free >> 30
    assert free >= SPACE_GB, f"{free} GB free in {cache_folder()}, {SPACE_GB} are needed"
    return f"{free} GB free in {cache_folder()}"


def sources(order: Order) -> str:
    """The ISOs and the SSH server are there."""
    check_sources(order.profile, order.sources)
    label = volume_label(order.sources.windows_iso)
    return f"{label!r}, {volume_label(order.sources.virtio_win_iso)!r}"


def answer(order: Order) -> str:
    """The answer file says all that this Windows needs."""
    wrong = faults(answer_file(order.profile, password()), order.profile)
    assert not wrong, "\n".join(wrong)
    needed = [setting for setting in SETTINGS if setting.needed(order.profile)]
    return f"{len(needed)} settings for {order.profile.title}"


def accelerator(_: Order) -> str:
    """KVM runs the firmware."""
    choice = choose_accel()
    assert choice.accel == "kvm", f"{choice}: an installation takes hours"
    return str(choice)


PREFLIGHT: list[Check[Order]] = [
    Check("tools and firmware", tools),
    Check("disk space", space),
    Check("ISOs and SSH server", sources),
    Check("answer file", answer),
    Check("KVM", accelerator),
]
