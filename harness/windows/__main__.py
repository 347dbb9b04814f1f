"""`make windows-image` builds a Windows image; `make windows-check` checks all that needs one."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..accel import qemu_version
from ..cache import cache_folder
from ..places import ROOT
from ..programs import MissingProgramError
from ..progress import say, step
from ..qemu import LaunchError
from .build import Sources, build_image
from .checklist import Check, Checklist
from .checks import CHECKS
from .image import VARIABLE, ImageError, WindowsImage, find_image
from .iso import DiscError
from .lab import WindowsLab
from .milestones import MissedError
from .preflight import PREFLIGHT, Order
from .profile import ProfileError, load, names
from .record import check_expiry

DEFAULT = "server-2022"
PROBLEMS = (
    ImageError,
    ProfileError,
    DiscError,
    MissedError,
    MissingProgramError,
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
    parser.add_argument("--activate", default="", help="1: let Windows activate itself online")
    return parser.parse_args(line)


def order_of(options: argparse.Namespace) -> Order:
    """What is to be built; ImageError if the command line does not say."""
    profile = load(options.profile or DEFAULT)
    if options.secure_boot:
        profile = replace(profile, secure_boot=options.secure_boot != "0")
    if not options.windows_iso or not options.virtio_win_iso:
        raise ImageError(
            "usage: make windows-image WINDOWS_ISO=… VIRTIO_WIN_ISO=… [OPENSSH_ZIP=…] "
            f"[PROFILE={'|'.join(names())}] [SECURE_BOOT=0|1] [ACTIVATE=1]"
        )
    zipped = Path(options.openssh_zip).resolve() if options.openssh_zip else None
    iso, drivers = Path(options.windows_iso), Path(options.virtio_win_iso)
    activate = options.activate not in {"", "0"}
    sources = Sources(iso.resolve(), drivers.resolve(), zipped, activate, options.windows_sha256)
    return Order(profile, sources)


def make_image(order: Order) -> WindowsImage:
    """`make windows-image`."""
    with step(f"building {order.profile.title} (half an hour or more; once)"):
        image = build_image(order.profile, order.sources)
    say(f"{check_expiry(image.record)}; `make e2e` takes it from here on: {image.folder}")
    return image


def check(options: argparse.Namespace) -> int:
    """`make windows-check`: everything that could not be tried without a Windows, one by one."""
    report = cache_folder() / f"windows-check-{time.strftime('%Y%m%d-%H%M%S')}.md"
    checklist = Checklist(report)
    image = None if options.windows_iso else find_image()
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
        make_image(order_of(options))
    except PROBLEMS as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
