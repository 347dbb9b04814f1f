"""`python -m harness`: machines without a network card, to play with and to look at."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .cache import cache_folder
from .cloud.firmware import Firmware
from .cloud.lab import CloudLab
from .debian_lab import DebianLab
from .door import open_door
from .guest import CommandError
from .image import ImageError
from .lab import Lab
from .places import COMMAND
from .programs import MissingProgramError
from .prompt import command_in_guest, prompt_in_guest
from .qemu import LaunchError
from .qmp import QMPError
from .running import NoMachineError, find_machine, running_machines
from .tidy import remove_unused
from .transcript import WaitError

ABOUT = "Machines without a network card, to play with and to look at."
FAILED = 125
"""The status if the machine, not the command in it, has failed; as that of `docker run`."""
PROBLEMS = (
    CommandError,
    ImageError,
    LaunchError,
    MissingProgramError,
    NoMachineError,
    QMPError,
    WaitError,
    OSError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if getattr(options, "firmware", None) and not options.image:
        parser.error("--firmware is about an --image")
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except PROBLEMS as error:
        print(f"harness: error: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=COMMAND, description=ABOUT)
    commands = parser.add_subparsers(required=True, metavar="shell|run|ls|console|screenshot|clean")
    shell = commands.add_parser("shell", help="a prompt in a fresh machine, both daemons running")
    shell.set_defaults(run=_shell)
    run = commands.add_parser(
        "run", help="run a command in a fresh machine; its exit status is passed on"
    )
    run.add_argument(
        "--put",
        action="append",
        type=_file,
        default=[],
        metavar="FILE",
        help="copy a file into the folder in which the command runs; repeatable",
    )
    run.add_argument(
        "--get",
        action="append",
        default=[],
        metavar="FILE",
        help="copy a file of that folder to the current one when the command has ended; repeatable",
    )
    run.add_argument("words", nargs="+", metavar="COMMAND", help="after --")
    run.set_defaults(run=_run)
    for command in (shell, run):
        command.add_argument(
            "--allow",
            action="append",
            default=[],
            metavar="RULE",
            help="what the host daemon is to allow beyond its defaults, 127.0.0.1:8000 for one",
        )
        command.add_argument(
            "--image",
            type=_file,
            metavar="FILE",
            help="a disk with cloud-init, qcow2 or raw, which is read only (default: our Debian)",
        )
        command.add_argument(
            "--firmware",
            choices=[firmware.value for firmware in Firmware],
            help="by which the image boots (default: bios)",
        )
    ls = commands.add_parser("ls", help="list the machines that run")
    ls.set_defaults(run=_ls)
    console = commands.add_parser("console", help="show what a machine's console has said")
    console.set_defaults(run=_console)
    screenshot = commands.add_parser("screenshot", help="write what a machine's screen shows")
    screenshot.add_argument("file", type=Path, metavar="FILE.png")
    screenshot.set_defaults(run=_screenshot)
    for command in (console, screenshot):
        command.add_argument(
            "--machine", type=int, metavar="PID", help="which, if there are several: see ls"
        )
    clean = commands.add_parser("clean", help="remove images and programs that nobody has used")
    clean.add_argument(
        "--older-than", type=_days, default=30.0, metavar="DAYS", help="for so long (default: 30)"
    )
    clean.set_defaults(run=_clean)
    return parser


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is no file")
    return path


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1
    if not 0 <= days < 1e5:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days")
    return days


def _shell(options: argparse.Namespace) -> int:
    with open_door(_rules(options), _lab(options)) as door:
        return prompt_in_guest(door)


def _run(options: argparse.Namespace) -> int:
    files = {path.name: path.read_bytes() for path in options.put}
    with open_door(_rules(options), _lab(options)) as door:
        return command_in_guest(door, options.words, files, options.get)


def _rules(options: argparse.Namespace) -> list[str]:
    return [word for rule in options.allow for word in ("--allow", rule)]


def _lab(options: argparse.Namespace) -> Lab:
    if options.image:
        return CloudLab(options.image, Firmware(options.firmware or "bios"))
    return DebianLab()


def _ls(_options: argparse.Namespace) -> int:
    for machine in running_machines():
        ssh = f"ssh port {machine.ssh_port}" if machine.ssh_port else "no ssh"
        print(f"{machine.pid}  {machine.kind}  {machine.folder}  {ssh}")
    return 0


def _console(options: argparse.Namespace) -> int:
    print(find_machine(options.machine).console, end="")
    return 0


def _screenshot(options: argparse.Namespace) -> int:
    find_machine(options.machine).screenshot(options.file)
    return 0


def _clean(options: argparse.Namespace) -> int:
    for path, size in remove_unused(cache_folder(), options.older_than):
        print(f"removed {path.name}: {size >> 20} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
