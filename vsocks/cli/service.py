"""The guest daemon as a Windows service: installing, controlling and running it."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import subprocess
from typing import TYPE_CHECKING, Final

from vsocks.cli.arguments import Parser
from vsocks.cli.guest_options import add_guest_options
from vsocks.cli.main import guest_maker, reporting
from vsocks.cli.service_run import run_service
from vsocks.errors import UsageError
from vsocks.windows import eventlog, installed, manager
from vsocks.windows.manager import ServiceError, State

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

NAME: Final = "vsocks-guest"
_PROGRAM: Final = f"{NAME} service"
_TITLE: Final = "vsocks guest"
_DESCRIPTION: Final = (
    "A SOCKS and HTTP proxy in this virtual machine, whose connections the host makes."
)
#: Seconds to wait for the service to reach a state.
_PATIENCE: Final = 30.0
_NOT_RUNNING: Final = 1


def main(words: Sequence[str]) -> int:
    """`vsocks-guest service …`; returns the exit status."""
    parser = Parser(prog=_PROGRAM, description="The guest daemon as a Windows service.")
    commands = parser.add_subparsers(required=True, metavar="install|start|stop|status|uninstall")
    for name, run, what in (
        ("install", _install, "start it with Windows from now on, with these options"),
        ("start", _start, "start it now"),
        ("stop", _stop, "stop it"),
        ("status", _status, "show whether it runs; exit status 0 if it does"),
        ("uninstall", _uninstall, "stop and remove it and its files"),
    ):
        commands.add_parser(name, help=what).set_defaults(run=run)
    add_guest_options(commands.choices["install"])
    # What the service manager calls.
    add_guest_options(running := commands.add_parser("run"))
    running.set_defaults(run=_run)
    options = parser.parse_args(words)
    options.words = list(words)[1:]
    return reporting(_PROGRAM, lambda: int(options.run(options)))


def _install(options: argparse.Namespace) -> int:
    guest_maker(options)  # raises UsageError while somebody is there to read it
    if options.users_file is not None and not options.users_file.is_absolute():
        raise UsageError(f"a service starts elsewhere: say where {options.users_file} is in full")
    if manager.exists(NAME):
        raise ServiceError(f"{NAME} is installed already; uninstall it first")
    program = installed.install_copy()
    if moved := installed.make_data_folder():
        _say(moved)
    command = subprocess.list2cmdline([str(program), "service", "run", *options.words])
    manager.install(NAME, _TITLE, _DESCRIPTION, command)
    eventlog.register_source(NAME)
    _say(f"{NAME} is installed in {program.parent} and will start with Windows")
    _say(f"to start it now: {_PROGRAM} start")
    return 0


def _start(_options: argparse.Namespace) -> int:
    manager.start(NAME)
    status = manager.wait_for(NAME, State.RUNNING, _PATIENCE)
    if status.state != State.RUNNING:
        log = installed.data_folder() / "guest.log"
        raise ServiceError(f"it did not start (error {status.exit_code}); see {log}")
    return _status(_options)


def _stop(_options: argparse.Namespace) -> int:
    process = manager.query(NAME).pid
    manager.stop(NAME)
    status = manager.wait_for(NAME, State.STOPPED, _PATIENCE)
    if status.state != State.STOPPED:
        raise ServiceError(f"it has not stopped within {_PATIENCE:g} s")
    # The system may still be closing what it had open: its port, the files of the program.
    ended = not process or manager.wait_for_end(process, _PATIENCE)
    _say(f"{NAME} is stopped" + ("" if ended else f", but its process {process} has not ended"))
    return 0


def _status(_options: argparse.Namespace) -> int:
    status = manager.query(NAME)
    state = status.state.name.lower().replace("_", " ")
    process = f" (process {status.pid})" if status.pid else ""
    failed = f", after error {status.exit_code}" if status.exit_code else ""
    _say(f"{NAME} is {state}{process}{failed}")
    return 0 if status.state == State.RUNNING else _NOT_RUNNING


def _uninstall(options: argparse.Namespace) -> int:
    if manager.query(NAME).state != State.STOPPED:
        _stop(options)
    manager.uninstall(NAME)
    eventlog.unregister_source(NAME)
    leftovers = installed.remove_copy()
    if leftovers.moved:
        _say("some of its files are in use; they are out of the way, and go when Windows restarts")
    for path in leftovers.stuck:
        _say(f"{path} is open in another program, and stays: delete it later")
    _say(f"{NAME} is uninstalled; its logs stay in {installed.data_folder()}")
    return 0


def _run(options: argparse.Namespace) -> int:
    run_service(NAME, options)
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
