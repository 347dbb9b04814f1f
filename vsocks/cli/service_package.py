"""What the MSI has the installed program do, once its files are in place, or before they go.

Windows Installer sees to the files; the program sees to the rest, as for `service install`. Nobody
reads what it prints then, so what goes wrong is told to the event log, too.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import logging
from typing import TYPE_CHECKING, Final

from vsocks.cli import service_settings, service_setup
from vsocks.cli.service_logs import log_events
from vsocks.errors import UsageError, VsocksError, describe
from vsocks.windows import installed, manager, proxy_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)


def act(name: str, action: str, *words: str) -> int:
    """Do one of ACTIONS with the service; returns the exit status. Raises VsocksError."""
    try:
        installed.check_in_place()
        ACTIONS[action](name, words)
    except VsocksError as error:
        log_events(name)
        log.error("the MSI can't go on: %s", describe(error))
        raise
    return 0


def _register(name: str, words: Sequence[str]) -> None:
    """Register the service with these options; an earlier one keeps its own if there are none."""
    options = service_settings.load(words)
    if options.user:
        raise UsageError("a password would stand in Windows Installer's log: put it into a file")
    service_setup.check(words, options)
    # The file lies where the MSI does, or in some temporary folder.
    service_setup.register(name, words, keep_users=True)


def _unregister(name: str, _words: Sequence[str]) -> None:
    """Remove the service, which is stopped, and what the program has set elsewhere."""
    if manager.exists(name):
        service_setup.unregister(name)
    proxy_commands.turn_off_ours()


ACTIONS: Final[dict[str, Callable[[str, Sequence[str]], None]]] = {
    "register": _register,
    "unregister": _unregister,
}
