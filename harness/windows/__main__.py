"""`make windows-image` builds a Windows image; `make windows-check` checks all that needs one."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..accel import qemu_version
from ..agent import AgentError
from ..cache import cache_folder
from ..places import ROOT
from ..programs import MissingProgramError
from ..progress import say, step
from ..qemu import LaunchError
from ..vm import NoAnswerError
from .adopt import Box, adopt
from .build import Sources, build_image
from .checklist import Check, Checklist
from .checks import CHECKS
from .image import VARIABLE, ImageError, WindowsImage, find_image
from .iso import DiscError
from .lab import WindowsLab
from .machine import DISK_DEVICES
from .milestones import MissedError
from .preflight import PREFLIGHT, Order
from .profile import Profile, ProfileError, load, names
from .record import check_expiry

DEFAULT = "server-2022"
PROBLEMS = (
    ImageError,
    ProfileError,
    DiscError,
    MissedError,
    MissingProgramError,
    NoAnswerError,
    AgentError,
    LaunchError,
    TimeoutError,
    OSError,
)


def arguments(line: Sequence[str]) -> argparse.Namespace:
    """The command line, which the Makefile fills from its variables."""
    parser = argparse.ArgumentParser(prog="python -m harness.windows", description=__doc__)
    parser.add_argument("command", choices=["image", "check"])
    parser.add_argument("--profile", default="", help=f"{', '.join(names())} ({DEFAULT})")
    parser.add_argument("--windows-iso", default="")
    parser.add_argument("--virtio-win-iso", default="")
    parser.add_argument("--openssh-zip", default="")
    parser.add_argument(
        "--secure-boot", default="", help="0 or 1: Secure Boot and a TPM, whatever the profile says"
    )
    parser.add_argument("--windows-sha256", default="", help="what the ISO's checksum must be")
    parser.add_argument("--box", default="", help="a disk with Windows in it: nothing is installed")
    for name in ("--box-user", "--box-key", "--box-agent"):
        parser.add_argument(name, default="")
    parser.add_argument("--box-disk", default="ahci", help=f"{', '.join(DISK_DEVICES)} (ahci)")
    parser.add_argument("--activate", default="", help="1: let Windows activate itself online")
    return parser.parse_args(line)


def box_of(options: argparse.Namespace) -> tuple[Profile, Box]:
    """Which Windows is in the box, and how to get in."""
    profile = load(options.profile or DEFAULT)
    profile = replace(profile, secure_boot=options.secure_boot not in {"", "0"})
    if options.box_disk not in DISK_DEVICES:
        raise ImageError(f"BOX_DISK={options.box_disk}: there are {', '.join(DISK_DEVICES)}")
    return profile, Box(
        Path(options.box).resolve(),
        options.box_user,
        # Not by the command line, which every user of this machine can see.
        os.environ.get("BOX_PASSWORD", ""),
        _path(options.box_key),
        options.box_agent not in {"", "0"},
        options.box_disk,
        _path(options.virtio_win_iso),
        _path(options.openssh_zip),
    )


def _path(text: str) -> Path | None:
    return Path(text).resolve() if text else None


def order_of(options: argparse.Namespace) -> Order:
    """What is to be built; ImageError if the command line does not say."""
    profile = load(options.profile or DEFAULT)
    if options.secure_boot:
        profile = replace(profile, secure_boot=options.secure_boot != "0")
    if not options.windows_iso or not options.virtio_win_iso:
        raise ImageError(
            "usage: make windows-image WINDOWS_ISO=… VIRTIO_WIN_ISO=… [OPENSSH_ZIP=…] "
            f"[PROFILE={'|'.join(names())}] [SECURE_BOOT=0|1] [ACTIVATE=1]; or WINDOWS_BOX=… "
            "BOX_USER=… with BOX_PASSWORD=…, BOX_KEY=… or BOX_AGENT=1"
        )
    zipped = Path(options.openssh_zip).resolve() if options.openssh_zip else None
    iso, drivers = Path(options.windows_iso), Path(options.virtio_win_iso)
    activate = options.activate not in {"", "0"}
    sources = Sources(iso.resolve(), drivers.resolve(), zipped, activate, options.windows_sha256)
    return Order(profile, sources)


def make_image(order: Order) -> WindowsImage:
    """`make windows-image`."""
    with step(f"building {order.profile.title} (half an hour or more; once)"):
        return _told(build_image(order.profile, order.sources))


def adopt_box(profile: Profile, box: Box) -> WindowsImage:
    """`make windows-image WINDOWS_BOX=…`."""
    with step(f"making an image of {box.file.name} (once)"):
        return _told(adopt(profile, box))


def _told(image: WindowsImage) -> WindowsImage:
    say(f"{check_expiry(image.record)}; `make e2e` takes it from here on: {image.folder}")
    return image


def check(options: argparse.Namespace) -> int:
    """`make windows-check`: everything that could not be tried without a Windows, one by one."""
    report = cache_folder() / f"windows-check-{time.strftime('%Y%m%d-%H%M%S')}.md"
    checklist = Checklist(report)
    image = None if options.windows_iso or options.box else find_image()
    if options.box:
        image = adopt_box(*box_of(options))
    if image is None:
        order = order_of(options)
        checklist.announce([*PREFLIGHT, BUILD])
        passed = [checklist.run(it, order) for it in PREFLIGHT]
        # Without KVM, the last of them, it works as well, only slowly.
        if not all(passed[:-1]) or not checklist.run(BUILD, order):
            return checklist.conclude()
        image = build_image(order.profile, order.sources)
    checklist.announce(CHECKS)
    checklist.announce([WHOLE])
    _check_machine(checklist, image)
    checklist.run(WHOLE, image)
    return checklist.conclude()


def _built(order: Order) -> str:
    return str(make_image(order).folder)


def _check_machine(checklist: Checklist, image: WindowsImage) -> None:
    lab = WindowsLab(image)
    try:
        prepared = lab.prepare()
        say(prepared)
        checklist.facts += [f"{image.folder.name}, {qemu_version()}: {prepared}"]
        with lab.running() as machine:
            for item in CHECKS:
                checklist.run(item, machine)
    except Exception as error:
        checklist.fail("a machine with the guest in it", error)


def _whole_suite(image: WindowsImage) -> str:
    command = [sys.executable, "-m", "pytest", "tests/e2e"]
    ended = subprocess.run(
        ["env", f"{VARIABLE}={image.folder}", *command], cwd=ROOT, check=False
    ).returncode
    assert ended == 0, f"pytest ended with status {ended}; see tests/artifacts/e2e"
    return "all tests of tests/e2e"


BUILD: Check[Order] = Check("the unattended installation", _built)
WHOLE: Check[WindowsImage] = Check("make e2e with this guest", _whole_suite)


def main(line: Sequence[str]) -> int:
    """Status 0 if all was well; what was wrong is said in a line or a few."""
    options = arguments(line)
    try:
        if options.command == "check":
            return check(options)
        if options.box:
            adopt_box(*box_of(options))
        else:
            make_image(order_of(options))
    except PROBLEMS as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
