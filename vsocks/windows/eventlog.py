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
_EVENT_ID: Final = 1
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
        _advapi32.ReportEventW(self._log, kind, 0, _EVENT_ID, None, 1, 0, ctypes.byref(text), None)

    def close(self) -> None:
        """Close the event log."""
        _advapi32.DeregisterEventSource(self._log)
        super().close()
