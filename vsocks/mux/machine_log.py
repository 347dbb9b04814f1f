"""The log of one machine among several: its lines carry the machine's name."""

from __future__ import annotations

import logging

Log = logging.Logger | logging.LoggerAdapter[logging.Logger]

#: The attribute of a record that holds the name.
MACHINE = "machine"

_LOG = logging.getLogger(__name__)


def log_of(machine: str) -> Log:
    """The log of the machine of that name; without a name that of the only one."""
    return logging.LoggerAdapter(_LOG, {MACHINE: machine}) if machine else _LOG
