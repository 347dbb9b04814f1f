"""The guest daemon as a Windows service: installing, controlling and running it."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

from functools import partial
from typing import TYPE_CHECKING, Final

from vsocks.address import Target
from vsocks.cli import service_package, service_settings, service_setup, service_status
from vsocks.cli.arguments import Parser
from vsocks.cli.guest_options import add_guest_options, listeners
from vsocks.cli.main import reporting
from vsocks.cli.service_run import run_service
from vsocks.cli.setup_lines import as_clients_see_it
from vsocks.errors import UsageError, describe
from vsocks.windows import driver, installed, manager, proxy_commands
from vsocks.windows.manager import ServiceError, State

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

NAME: Final = "vsocks-guest"
_PROGRAM: Final = f"{NAME} service"
#: Seconds to wait for the service to reach a state.
_PATIENCE: Final = 30.0
_NOT_RUNNING: Final = 1


def main(words: Sequence[str]) -> int:
    """`vsocks-guest service …`; returns the exit status."""
    rest = list(words)[1:]
    if words[:1] == service_setup.RUN[1:]:
        # What the service manager calls. What is wrong with its options is for the event log.
        return reporting(_PROGRAM, partial(_run, rest))
    if words and words[0] in service_package.ACTIONS:
        return reporting(_PROGRAM, partial(service_package.act, NAME, *words))
    parser = Parser(prog=_PROGRAM, description="The guest daemon as a Windows service.")
    names = "install|start|stop|status|reconfigure|upgrade|uninstall"
    commands = parser.add_subparsers(required=True, metavar=names)
    for name, run, what in (
        ("install", _install, "start it with Windows from now on, with these options"),
        ("start", _start, "start it now"),
        ("stop", _stop, "stop it"),
        ("status", _status, "show how it is; exit status 0 if it runs"),
        ("reconfigure", _reconfigure, "give it these options instead, or read its file anew"),
        ("upgrade", _upgrade, "put this program in the place of the installed one"),
        ("uninstall", _uninstall, "stop and remove it and its files"),
    ):
        commands.add_parser(name, help=what).set_defaults(run=run)
    for name in ("install", "reconfigure"):
        add_guest_options(commands.choices[name])
    options = parser.parse_args(words)
    options.words = rest
    return reporting(_PROGRAM, lambda: int(options.run(options)))


def _install(options: argparse.Namespace) -> int:
    installed.refuse_if_packaged()
    service_setup.check(options.words, options)
    if manager.exists(NAME):
        raise ServiceError(f"{NAME} is installed already; upgrade it, or uninstall it first")
    program = installed.install_copy()
    service_setup.register(NAME, options.words)
    _say(f"{NAME} is installed in {program.parent} and will start with Windows")
    _say(f"to start it now: {_PROGRAM} start")
    return 0


def _reconfigure(options: argparse.Namespace) -> int:
    words = options.words or service_setup.installed_words(NAME)
    if options.words:
        service_setup.check(words, options)
    manager.set_command(NAME, service_setup.settle(NAME, words))
    if manager.query(NAME).state != State.STOPPED:
        _stop(options)
        return _start(options)
    return 0


def _upgrade(options: argparse.Namespace) -> int:
    installed.refuse_if_packaged()
    was_running = manager.query(NAME).state != State.STOPPED
    if was_running:
        _stop(options)
    program = installed.install_copy()
    service_setup.register(NAME, [])
    _say(f"{NAME} in {program.parent} is this program now")
    return _start(options) if was_running else 0


def _start(options: argparse.Namespace) -> int:
    manager.start(NAME)
    status = manager.wait_for(NAME, State.RUNNING, _PATIENCE)
    if status.state != State.RUNNING:
        log = installed.data_folder() / "guest.log"
        raise ServiceError(f"it did not start (error {status.exit_code}); see {log}")
    return _status(options)


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
    found = driver.driver_version()
    _say(f"driver of virtio-serial ports: {found or 'not there'}")
    if status.state != State.RUNNING:
        return _NOT_RUNNING
    try:
        host, port = listeners(service_settings.load(service_setup.installed_words(NAME)))[0]
    except UsageError as error:
        _say(describe(error))
    else:
        for line in service_status.describe_daemon(as_clients_see_it(Target(host, port))):
            _say(line)
    return 0


def _uninstall(options: argparse.Namespace) -> int:
    installed.refuse_if_packaged()
    if manager.query(NAME).state != State.STOPPED:
        _stop(options)
    service_setup.unregister(NAME)
    leftovers = installed.remove_copy()
    if leftovers.moved:
        _say("some of its files are in use; they are out of the way, and go when Windows restarts")
    for path in leftovers.stuck:
        _say(f"{path} is open in another program, and stays: delete it later")
    proxy_commands.turn_off_ours()
    _say(f"{NAME} is uninstalled; its settings and logs stay in {installed.data_folder()}")
    return 0


def _run(words: Sequence[str]) -> int:
    run_service(NAME, partial(service_settings.load, words))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
