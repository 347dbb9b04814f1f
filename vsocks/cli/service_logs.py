"""Where a service logs: its file, and the event log, where an administrator looks first."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import logging
from typing import TYPE_CHECKING, Final

from vsocks.cli import logs
from vsocks.cli.log_file import LogFile
from vsocks.errors import VsocksError, describe
from vsocks.windows.eventlog import EventLogHandler
from vsocks.windows.installed import data_folder, make_data_folder

if TYPE_CHECKING:
    import argparse

log = logging.getLogger(__name__)

FILE: Final = "guest.log"
#: Bytes of one file, and how many older ones are kept.
_FILE_SIZE: Final = 1_000_000
_OLDER_FILES: Final = 3


def log_events(source: str) -> EventLogHandler:
    """Log to the event log, which needs nothing that could fail."""
    events = EventLogHandler(source)
    # It has only what an administrator should know.
    events.setLevel(logging.INFO)
    logs.configure(verbose=0, as_json=False, handlers=[events])
    return events


def log_to_file(events: EventLogHandler) -> list[logging.Handler]:
    """Log to the file, too; if it can't be written, the events tell of it."""
    handlers: list[logging.Handler] = [events]
    moved = problem = ""
    try:
        moved = make_data_folder()
        handlers.append(LogFile(data_folder() / FILE, _FILE_SIZE, _OLDER_FILES))
    except (OSError, VsocksError) as error:
        problem = describe(error)
    logs.configure(verbose=0, as_json=False, handlers=handlers)
    if moved:
        log.warning("the folder of settings and logs was moved: %s", moved)
    if problem:
        log.error("the log file can't be written, so the event log is all there is: %s", problem)
    return handlers


def log_as_asked(handlers: list[logging.Handler], options: argparse.Namespace) -> None:
    """Log as much as ``options`` say, and in their format."""
    as_json = options.log_format == "json"
    logs.configure(verbose=options.verbose, as_json=as_json, handlers=handlers)
