"""Log lines in Windows' event log, where an administrator looks first."""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import contextlib
import ctypes
import logging
import winreg
from ctypes import wintypes
from typing import Final

_KEY: Final = r"SYSTEM\CurrentControlSet\Services\EventLog\Application"
#: A file of every Windows whose messages 1 to 1000 are just the text that goes with the event.
_MESSAGES: Final = r"%SystemRoot%\System32\EventCreate.exe"
#: What the event is called by which filters find it, for each kind of line: how its text begins
#: before values are put in. They are documented, and stay. All else is OTHER.
EVENT_IDS: Final = {
    "listening on": 10,
    "listening for DNS on": 11,
    "waiting for the channel": 20,
    "the channel isn't there yet": 21,
    "channel open": 22,
    "channel closed": 23,
    "found ": 24,
    "no host is connected": 25,
    "session up": 30,
    "session lost": 31,
    "client refused": 40,
    "too many clients": 41,
    "refused: the host wants": 42,
    "the service failed": 50,
    "the service can't start": 51,
    "the log file can't be written": 52,
    "the folder of settings and logs was moved": 53,
    "the MSI can't go on": 54,
    "the host doesn't read": 60,
}
OTHER: Final = 1
_ERROR, _WARNING, _INFORMATION = 1, 2, 4
#: The longest text of an event is 31,839 characters (ReportEvent).
_MAX_TEXT: Final = 31_000

_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_advapi32.RegisterEventSourceW.restype = wintypes.HANDLE


def register_source(name: str) -> None:
    """Make events of this source readable; raises OSError if we may not."""
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, rf"{_KEY}\{name}") as key:
        winreg.SetValueEx(key, "EventMessageFile", 0, winreg.REG_EXPAND_SZ, _MESSAGES)
        types = _ERROR | _WARNING | _INFORMATION
        winreg.SetValueEx(key, "TypesSupported", 0, winreg.REG_DWORD, types)


def unregister_source(name: str) -> None:
    """Undo register_source()."""
    with contextlib.suppress(FileNotFoundError):
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, rf"{_KEY}\{name}")


def event_id(kind: str) -> int:
    """The number for lines of this kind, which is a line before values are put in."""
    found = (number for begin, number in EVENT_IDS.items() if kind.startswith(begin))
    return next(found, OTHER)


class EventLogHandler(logging.Handler):
    """Writes records into the Application log, as events of a registered source."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._log = wintypes.HANDLE(_advapi32.RegisterEventSourceW(None, source))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event; errors are ignored, for there is nobody to tell."""
        text = ctypes.c_wchar_p(self.format(record)[:_MAX_TEXT])
        kind = _INFORMATION
        if record.levelno >= logging.WARNING:
            kind = _ERROR if record.levelno >= logging.ERROR else _WARNING
        number = event_id(str(record.msg))
        _advapi32.ReportEventW(self._log, kind, 0, number, None, 1, 0, ctypes.byref(text), None)

    def close(self) -> None:
        """Close the event log."""
        _advapi32.DeregisterEventSource(self._log)
        super().close()
