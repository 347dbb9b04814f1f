"""Where a service says what it does: a file that is kept short, and the event log."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import logging
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Final

from vsocks import logs
from vsocks.windows.eventlog import EventLogHandler
from vsocks.windows.installed import make_log_folder

if TYPE_CHECKING:
    import argparse

_FILE: Final = "guest.log"
#: Bytes of one file, and how many older ones are kept.
_FILE_SIZE: Final = 1_000_000
_OLDER_FILES: Final = 3


def configure(source: str, options: argparse.Namespace) -> None:
    """Log as ``options`` say; the event log has only what an administrator should know."""
    path = make_log_folder() / _FILE
    file = RotatingFileHandler(
        path, maxBytes=_FILE_SIZE, backupCount=_OLDER_FILES, encoding="utf-8"
    )
    events = EventLogHandler(source)
    events.setLevel(logging.INFO)
    logs.configure(
        verbose=options.verbose, as_json=options.log_format == "json", handlers=[file, events]
    )
