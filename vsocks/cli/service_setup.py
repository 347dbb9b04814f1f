"""What Windows is told of the service: where its program and settings are, and whom to let in."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import subprocess
from typing import TYPE_CHECKING, Final

from vsocks.address import parse_ip
from vsocks.cli import service_settings
from vsocks.cli.guest_options import listeners
from vsocks.cli.main import guest_maker
from vsocks.windows import eventlog, firewall, installed, manager

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_TITLE: Final = "vsocks guest"
_DESCRIPTION: Final = (
    "A SOCKS and HTTP proxy in this virtual machine, whose connections the host makes."
)
#: What comes before the options in the service's command line.
RUN: Final = ["service", "run"]


def check(words: Sequence[str], options: argparse.Namespace) -> None:
    """Raise UsageError while somebody is there to read it."""
    service_settings.check(words)
    guest_maker(options)


def register(name: str, words: Sequence[str], *, keep_users: bool = False) -> None:
    """Have the installed program be a service with these options, also if there is such a one.

    Without options that one keeps its own. Raises ServiceError, and what settle() does.
    """
    known = manager.exists(name)
    words = words or (installed_words(name) if known else [])
    command = settle(name, words, keep_users=keep_users)
    if known:
        manager.set_command(name, command)
    else:
        manager.install(name, _TITLE, _DESCRIPTION, command)
    eventlog.register_source(name)


def unregister(name: str) -> None:
    """Undo register(), but for the settings. Raises ServiceError if there is no such service."""
    manager.uninstall(name)
    eventlog.unregister_source(name)
    firewall.set_rules(name, installed.program(), {})


def settle(name: str, words: Sequence[str], *, keep_users: bool = False) -> str:
    """Write down the options; returns the service's command line.

    Raises InstallError, or UsageError if a file that was there already makes no sense.
    """
    if moved := installed.make_data_folder():
        _say(moved)
    path = service_settings.store(words, keep_users=keep_users)
    options = service_settings.load(["--config", str(path)])
    program = installed.program()
    if refused := firewall.set_rules(name, program, _reachable(options)):
        _say(f"the firewall has taken no rule, so other machines may not get in: {refused}")
    _say(f"its settings are in {path}")
    return subprocess.list2cmdline([str(program), *RUN, "--config", str(path)])


def installed_words(name: str) -> list[str]:
    """The options in the service's command line. Raises ServiceError if there is none."""
    words = manager.words_of(name)[1:]
    return words[len(RUN) :] if words[: len(RUN)] == RUN else []


def _reachable(options: argparse.Namespace) -> dict[str, list[int]]:
    """The ports at which other machines can get in, by protocol."""
    beyond = [port for host, port in listeners(options) if not _is_loopback(host)]
    dns = [options.dns[1]] if options.dns and not _is_loopback(options.dns[0]) else []
    return {"TCP": [*beyond, *dns], "UDP": dns}


def _is_loopback(host: str) -> bool:
    ip = parse_ip(host)
    return ip.is_loopback if ip is not None else host.lower() == "localhost"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
