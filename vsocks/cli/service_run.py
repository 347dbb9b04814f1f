"""Running as a Windows service: what the service manager asks of a process that it started.

The main thread waits for the manager's calls (the dispatcher). The daemon runs in a thread that the
manager creates. A stop takes seconds at most: if the daemon has not ended by then, the service is
reported as stopped, and the process ends as it is.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import asyncio
import ctypes
import logging
import os
import threading
from ctypes import wintypes
from typing import TYPE_CHECKING, Final

from vsocks.aio import pending_io
from vsocks.cli.main import guest_maker
from vsocks.cli.run import serve
from vsocks.cli.service_logs import log_as_asked, log_events, log_to_file
from vsocks.errors import VsocksError, describe
from vsocks.windows.manager import State

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

log = logging.getLogger(__name__)

_SERVICE_WIN32_OWN_PROCESS: Final = 0x10
_ACCEPT_STOP: Final = 0x1
_ACCEPT_SHUTDOWN: Final = 0x4
_CONTROL_STOP: Final = 1
_CONTROL_INTERROGATE: Final = 4
_CONTROL_SHUTDOWN: Final = 5
_NO_ERROR: Final = 0
_ERROR_CALL_NOT_IMPLEMENTED: Final = 120
_ERROR_FAILED_SERVICE_CONTROLLER_CONNECT: Final = 1063
_ERROR_SERVICE_SPECIFIC_ERROR: Final = 1066

#: Seconds in which the daemon ends after a stop, or is ended.
_STOP_DEADLINE: Final = 3.5
_LAST_OPERATIONS: Final = 0.5
_WAIT_HINT_MS: Final = 5000

_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_advapi32.RegisterServiceCtrlHandlerExW.restype = wintypes.HANDLE

_ServiceMain = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.POINTER(wintypes.LPWSTR))
_Handler = ctypes.WINFUNCTYPE(
    wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p
)


class _TableEntry(ctypes.Structure):
    """SERVICE_TABLE_ENTRYW."""

    _fields_ = (("name", wintypes.LPWSTR), ("main", _ServiceMain))


class _ServiceStatus(ctypes.Structure):
    """SERVICE_STATUS."""

    _fields_ = tuple(
        (name, wintypes.DWORD)
        for name in (
            *("type", "state", "accepted", "exit_code", "specific_exit_code"),
            *("check_point", "wait_hint"),
        )
    )


def run_service(name: str, read_options: Callable[[], argparse.Namespace]) -> None:
    """Run as the service until stopped; raises VsocksError if no service manager started us.

    ``read_options`` raises UsageError, which is logged.
    """
    service = _Service(name, read_options)
    # These must live as long as the dispatcher.
    main = _ServiceMain(service.main)
    table = (_TableEntry * 2)(_TableEntry(name, main), _TableEntry())
    if not _advapi32.StartServiceCtrlDispatcherW(table):
        raise VsocksError(_why_refused(ctypes.get_last_error()))


def _why_refused(error: int) -> str:
    if error == _ERROR_FAILED_SERVICE_CONTROLLER_CONNECT:
        return "this is for Windows to call; to start the service: service start"
    return f"the service manager refused: {describe(ctypes.WinError(error))} ({error})"


class _Service:
    """One service from its start to its end."""

    def __init__(self, name: str, read_options: Callable[[], argparse.Namespace]) -> None:
        self._name = name
        self._read_options = read_options
        self._handler = _Handler(self._on_control)
        self._handle: wintypes.HANDLE | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ended = threading.Event()
        self._exit_code = 0

    def main(self, _count: int, _arguments: object) -> None:
        """ServiceMain: called in a thread of its own."""
        self._handle = wintypes.HANDLE(
            _advapi32.RegisterServiceCtrlHandlerExW(self._name, self._handler, None)
        )
        self._report(State.START_PENDING)
        asyncio.run(self._serve())
        self._finish()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            handlers = log_to_file(log_events(self._name))
            options = self._read_options()
            log_as_asked(handlers, options)
            make = guest_maker(options, is_service=True)
            await serve(make, self._stopping, on_started=lambda: self._report(State.RUNNING))
        except Exception as error:
            self._fail(error)
        # Without this the loop's end would wait for it, and a failure be told to nobody.
        if not await pending_io.have_ended(within=_LAST_OPERATIONS):
            self._abandon()

    def _fail(self, error: Exception) -> None:
        if isinstance(error, VsocksError):
            log.error("the service can't start, or go on: %s", describe(error))
        else:
            log.error("the service failed", exc_info=error)
        self._exit_code = 1

    def _finish(self) -> None:
        """Report once that we have stopped."""
        if not self._ended.is_set():
            self._ended.set()
            logging.shutdown()
            self._report(State.STOPPED)

    def _abandon(self) -> None:
        """Stop although a write to the host can't be cancelled: the system cleans up."""
        log.warning("the host doesn't read; what was on its way to it is left to the system")
        self._finish()
        os._exit(self._exit_code)

    def _on_control(self, control: int, _event: int, _data: object, _context: object) -> int:
        """HandlerEx: called in the main thread. An exception here would be lost."""
        if control in {_CONTROL_STOP, _CONTROL_SHUTDOWN}:
            self._report(State.STOP_PENDING)
            threading.Thread(target=self._end_in_time, name="stop", daemon=True).start()
            if self._loop is not None and self._stopping is not None:
                self._loop.call_soon_threadsafe(self._stopping.set)
            return _NO_ERROR
        return _NO_ERROR if control == _CONTROL_INTERROGATE else _ERROR_CALL_NOT_IMPLEMENTED

    def _end_in_time(self) -> None:
        if not self._ended.wait(_STOP_DEADLINE):
            self._abandon()

    def _report(self, state: State) -> None:
        running = state == State.RUNNING
        pending = state in {State.START_PENDING, State.STOP_PENDING}
        status = _ServiceStatus(
            type=_SERVICE_WIN32_OWN_PROCESS,
            state=state,
            accepted=_ACCEPT_STOP | _ACCEPT_SHUTDOWN if running else 0,
            exit_code=_ERROR_SERVICE_SPECIFIC_ERROR if self._exit_code else _NO_ERROR,
            specific_exit_code=self._exit_code,
            check_point=1 if pending else 0,
            wait_hint=_WAIT_HINT_MS if pending else 0,
        )
        _advapi32.SetServiceStatus(self._handle, ctypes.byref(status))
