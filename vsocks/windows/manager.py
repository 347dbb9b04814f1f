"""The service control manager: what `services.msc` does, by the functions of advapi32.

Errors of Windows are raised as OSError; `ServiceError` is for people.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import contextlib
import ctypes
import time
from ctypes import wintypes
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from vsocks.errors import VsocksError, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR_ACCESS_DENIED: Final = 5
ERROR_INVALID_LEVEL: Final = 124
ERROR_SERVICE_ALREADY_RUNNING: Final = 1056
ERROR_SERVICE_DOES_NOT_EXIST: Final = 1060
ERROR_SERVICE_NOT_ACTIVE: Final = 1062
ERROR_SERVICE_MARKED_FOR_DELETE: Final = 1072
ERROR_SERVICE_EXISTS: Final = 1073
ERROR_SERVICE_NEVER_STARTED: Final = 1077

_SC_MANAGER_CONNECT: Final = 0x0001
_SC_MANAGER_CREATE_SERVICE: Final = 0x0002
_SERVICE_CHANGE_CONFIG: Final = 0x0002
_SERVICE_QUERY_STATUS: Final = 0x0004
_SERVICE_START: Final = 0x0010
_SERVICE_STOP: Final = 0x0020
_DELETE: Final = 0x00010000
_SERVICE_WIN32_OWN_PROCESS: Final = 0x10
_SERVICE_AUTO_START: Final = 2
_SERVICE_ERROR_NORMAL: Final = 1
_SERVICE_CONFIG_DESCRIPTION: Final = 1
_SERVICE_CONFIG_FAILURE_ACTIONS: Final = 2
_SERVICE_CONFIG_FAILURE_ACTIONS_FLAG: Final = 4
_SERVICE_CONTROL_STOP: Final = 1
_SC_ACTION_RESTART: Final = 1
_SC_STATUS_PROCESS_INFO: Final = 0
_SERVICE_NO_CHANGE: Final = 0xFFFFFFFF
_SERVICE_QUERY_CONFIG: Final = 0x0001
_CONFIG_SIZE: Final = 8192
_SYNCHRONIZE: Final = 0x00100000
_WAIT_OBJECT_0: Final = 0

#: After a failure the service is started again: at once, then later; a good day forgets failures.
_RESTART_DELAYS_MS: Final = (1_000, 5_000, 30_000)
_FORGET_FAILURES_SECONDS: Final = 24 * 3600
#: Seconds between two looks at a state that is awaited; the manager tells no other way.
_POLL: Final = 0.1
_REMOVAL_SECONDS: Final = 5.0

_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.OpenProcess.restype = wintypes.HANDLE
_kernel32.LocalFree.argtypes = [ctypes.c_void_p]
_shell32 = ctypes.WinDLL("shell32")
_shell32.CommandLineToArgvW.restype = ctypes.POINTER(wintypes.LPWSTR)


class ServiceError(VsocksError):
    """The service manager refused; the text says what to do."""


class State(IntEnum):
    """SERVICE_STATUS.dwCurrentState."""

    STOPPED = 1
    START_PENDING = 2
    STOP_PENDING = 3
    RUNNING = 4
    CONTINUE_PENDING = 5
    PAUSE_PENDING = 6
    PAUSED = 7


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a service."""

    state: State
    #: The process, 0 if there is none.
    pid: int
    #: How the last run ended: 0 if well, else an error of Windows or of the service's own.
    exit_code: int


class _StatusProcess(ctypes.Structure):
    """SERVICE_STATUS_PROCESS."""

    _fields_ = tuple(
        (name, wintypes.DWORD)
        for name in (
            *("type", "state", "accepted", "exit_code", "specific_exit_code"),
            *("check_point", "wait_hint", "pid", "flags"),
        )
    )


class _Config(ctypes.Structure):
    """QUERY_SERVICE_CONFIGW."""

    _fields_ = (
        *((name, wintypes.DWORD) for name in ("type", "start", "error_control")),
        *((name, wintypes.LPWSTR) for name in ("command", "group")),
        ("tag", wintypes.DWORD),
        *((name, wintypes.LPWSTR) for name in ("dependencies", "account", "title")),
    )


class _Action(ctypes.Structure):
    """SC_ACTION."""

    _fields_ = (("type", ctypes.c_int), ("delay", wintypes.DWORD))


class _FailureActions(ctypes.Structure):
    """SERVICE_FAILURE_ACTIONSW."""

    _fields_ = (
        ("reset_period", wintypes.DWORD),
        ("reboot_message", wintypes.LPWSTR),
        ("command", wintypes.LPWSTR),
        ("count", wintypes.DWORD),
        ("actions", ctypes.POINTER(_Action)),
    )


for _name in ("OpenSCManagerW", "CreateServiceW", "OpenServiceW"):
    getattr(_advapi32, _name).restype = wintypes.HANDLE


def install(name: str, title: str, description: str, command: str) -> None:
    """Register ``command`` to start with the system, as LocalSystem, and again after a failure.

    Raises ServiceError if there is such a service already, or if we may not.
    """
    with _manager(_SC_MANAGER_CREATE_SERVICE) as manager:
        service = _advapi32.CreateServiceW(
            manager,
            name,
            title,
            # The right to start is needed for setting a restart as what is done on failure.
            _SERVICE_CHANGE_CONFIG | _SERVICE_START | _DELETE,
            _SERVICE_WIN32_OWN_PROCESS,
            _SERVICE_AUTO_START,
            _SERVICE_ERROR_NORMAL,
            command,
            *(None, None, None),
            # No account means LocalSystem, which the driver lets in.
            *(None, None),
        )
        with _closing(_checked(service, f"installing {name}")) as handle:
            try:
                _describe(handle, description)
                _restart_on_failure(handle)
            except ServiceError:
                _advapi32.DeleteService(handle)
                raise


def _describe(service: wintypes.HANDLE, description: str) -> None:
    text = wintypes.LPWSTR(description)
    _change(service, _SERVICE_CONFIG_DESCRIPTION, ctypes.byref(text))


def _restart_on_failure(service: wintypes.HANDLE) -> None:
    actions = (_Action * len(_RESTART_DELAYS_MS))(
        *(_Action(_SC_ACTION_RESTART, delay) for delay in _RESTART_DELAYS_MS)
    )
    settings = _FailureActions(_FORGET_FAILURES_SECONDS, None, None, len(actions), actions)
    _change(service, _SERVICE_CONFIG_FAILURE_ACTIONS, ctypes.byref(settings))
    # To stop with an error counts as a failure, too, not only to vanish.
    flag = wintypes.BOOL(True)
    _change(service, _SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, ctypes.byref(flag))


def _change(service: wintypes.HANDLE, level: int, settings: object) -> None:
    if not _advapi32.ChangeServiceConfig2W(service, wintypes.DWORD(level), settings):
        # Wine's manager restarts nothing, and says that it knows of no such setting.
        _ignoring(ERROR_INVALID_LEVEL, "changing the service's settings")


def uninstall(name: str) -> None:
    """Remove the service, and wait a while until that is done.

    Raises ServiceError if there is none, or if we may not.
    """
    with _service(name, _DELETE) as service:
        _checked(_advapi32.DeleteService(service), f"removing {name}")
    # It stays until its process has ended, and whoever looks at it has looked away.
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while exists(name) and time.monotonic() < deadline:
        time.sleep(_POLL)


def exists(name: str) -> bool:
    """Whether there is such a service, as far as we may know."""
    try:
        query(name)
    except ServiceError:
        return False
    return True


def start(name: str) -> None:
    """Start it, unless it runs. Raises ServiceError."""
    with _service(name, _SERVICE_START) as service:
        if not _advapi32.StartServiceW(service, 0, None):
            _ignoring(ERROR_SERVICE_ALREADY_RUNNING, f"starting {name}")


def stop(name: str) -> None:
    """Stop it, if it runs. Raises ServiceError."""
    status = _StatusProcess()
    with _service(name, _SERVICE_STOP) as service:
        control = wintypes.DWORD(_SERVICE_CONTROL_STOP)
        if not _advapi32.ControlService(service, control, ctypes.byref(status)):
            _ignoring(ERROR_SERVICE_NOT_ACTIVE, f"stopping {name}")


def query(name: str) -> Status:
    """Its state. Raises ServiceError if there is none."""
    status = _StatusProcess()
    needed = wintypes.DWORD(0)
    with _service(name, _SERVICE_QUERY_STATUS) as service:
        done = _advapi32.QueryServiceStatusEx(
            service,
            _SC_STATUS_PROCESS_INFO,
            ctypes.byref(status),
            wintypes.DWORD(ctypes.sizeof(status)),
            ctypes.byref(needed),
        )
        _checked(done, f"asking for {name}")
    code = status.specific_exit_code or status.exit_code
    exit_code = 0 if code == ERROR_SERVICE_NEVER_STARTED else code
    return Status(State(status.state), status.pid, exit_code)


def words_of(name: str) -> list[str]:
    """The command line that it starts with, in its words. Raises ServiceError."""
    settings = ctypes.create_string_buffer(_CONFIG_SIZE)
    needed = wintypes.DWORD(0)
    with _service(name, _SERVICE_QUERY_CONFIG) as service:
        done = _advapi32.QueryServiceConfigW(
            service, settings, wintypes.DWORD(_CONFIG_SIZE), ctypes.byref(needed)
        )
        _checked(done, f"asking for {name}")
    count = ctypes.c_int(0)
    command = _Config.from_buffer(settings).command
    words = _shell32.CommandLineToArgvW(command, ctypes.byref(count))
    try:
        return [str(word) for word in words[: count.value]]
    finally:
        _kernel32.LocalFree(words)


def set_command(name: str, command: str) -> None:
    """Have it start with another command line from now on. Raises ServiceError."""
    unchanged = wintypes.DWORD(_SERVICE_NO_CHANGE)
    with _service(name, _SERVICE_CHANGE_CONFIG) as service:
        done = _advapi32.ChangeServiceConfigW(
            service, unchanged, unchanged, unchanged, command, *(None,) * 6
        )
        _checked(done, f"changing {name}")


def wait_for_end(pid: int, seconds: float) -> bool:
    """Wait for the end of a process; False if it runs on.

    A service is reported as stopped a little before its process has ended.
    """
    process = wintypes.HANDLE(_kernel32.OpenProcess(_SYNCHRONIZE, False, wintypes.DWORD(pid)))
    if not process:
        return True  # it has gone, for we may watch any process if we may stop a service
    try:
        waited = _kernel32.WaitForSingleObject(process, wintypes.DWORD(int(seconds * 1000)))
        return bool(waited == _WAIT_OBJECT_0)
    finally:
        _kernel32.CloseHandle(process)


def wait_for(name: str, state: State, seconds: float) -> Status:
    """The status as soon as ``state`` is reached, else the last one after ``seconds``."""
    deadline = time.monotonic() + seconds
    while (status := query(name)).state != state and time.monotonic() < deadline:
        time.sleep(_POLL)
    return status


def running_service(name: str) -> int:
    """The process of a service; 0 if it doesn't run, or isn't there, or we may not know."""
    try:
        return query(name).pid
    except ServiceError:
        return 0


@contextlib.contextmanager
def _manager(access: int) -> Iterator[wintypes.HANDLE]:
    manager = _advapi32.OpenSCManagerW(None, None, wintypes.DWORD(access))
    with _closing(_checked(manager, "opening the service manager")) as handle:
        yield handle


@contextlib.contextmanager
def _service(name: str, access: int) -> Iterator[wintypes.HANDLE]:
    with _manager(_SC_MANAGER_CONNECT) as manager:
        service = _advapi32.OpenServiceW(manager, name, wintypes.DWORD(access))
        with _closing(_checked(service, f"opening the service {name}")) as handle:
            yield handle


@contextlib.contextmanager
def _closing(handle: int) -> Iterator[wintypes.HANDLE]:
    try:
        yield wintypes.HANDLE(handle)
    finally:
        _advapi32.CloseServiceHandle(wintypes.HANDLE(handle))


_ADVICE: Final = {
    ERROR_ACCESS_DENIED: "administrator rights are needed; run this as administrator",
    ERROR_SERVICE_DOES_NOT_EXIST: "it isn't installed",
    ERROR_SERVICE_EXISTS: "it is installed already; uninstall it first",
    ERROR_SERVICE_MARKED_FOR_DELETE: "it is being removed; close what shows it, and try again",
}


def _checked(result: int | None, doing: str) -> int:
    """``result``, unless it means failure. Raises ServiceError."""
    if result:
        return result
    error = ctypes.get_last_error()
    why = _ADVICE.get(error) or f"{describe(ctypes.WinError(error))} ({error})"
    raise ServiceError(f"{doing}: {why}")


def _ignoring(harmless: int, doing: str) -> None:
    if ctypes.get_last_error() != harmless:
        _checked(0, doing)
