"""Devices of Windows, opened for overlapped operations on the event loop's completion port.

The operations are those of asyncio's IocpProactor, which works on any overlapped handle. Its pipe
transports don't fit: they start a read of their own, and close for good at the first error 1450.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import _overlapped
import _winapi
import asyncio
import ctypes
import errno
from ctypes import wintypes
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from vsocks.channel.overlapped import OverlappedSource
from vsocks.channel.serial_settings import set_up_line
from vsocks.errors import describe
from vsocks.windows.port_holder import why_denied
from vsocks.windows.port_notices import Notices, watch_port

if TYPE_CHECKING:
    from asyncio.windows_events import IocpProactor
    from collections.abc import Callable

    from vsocks.channel.spec import ChannelSpec

_ERROR_FILE_NOT_FOUND: Final = 2
_ERROR_PATH_NOT_FOUND: Final = 3
_ERROR_ACCESS_DENIED: Final = 5
_ERROR_PIPE_BUSY: Final = 231
_ERROR_IO_PENDING: Final = 997

#: vioserial/sys/public.h, IOCTL_GET_INFORMATION: it fills in a VIRTIO_PORT_INFO.
_IOCTL_GET_INFORMATION: Final = 0x00222002
#: Where that says HostConnected, after the number of the port and OutVqFull; then the name.
_HOST_CONNECTED: Final = 5
_INFORMATION_SIZE: Final = 512

#: Whoever made the pipe may ask who we are, but not act in our name: SECURITY_SQOS_PRESENT and
#: SECURITY_IDENTIFICATION. Anybody can make a pipe of a name, and we may be LocalSystem.
_IDENTIFY_ONLY: Final = 0x00100000 | 0x00010000

_BIG_READ: Final = 64 * 1024
#: A serial line may bring bytes without a pause; a read shouldn't wait for many of them.
_LINE_READ: Final = 512
#: A serial line may be slow: a long frame would keep everything else waiting.
_LINE_MAX_FRAME: Final = 4096

_PATH_BAUDRATE: Final = 115_200

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_ON_WINE: Final = hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def windows_source(spec: ChannelSpec) -> OverlappedSource:
    """The source of a virtio, com, pipe or path channel."""
    open_device: Callable[[], Handle]
    match spec.kind:
        case "virtio":
            open_device = partial(Handle, rf"\\.\Global\{spec.place}", outlives_host=True)
        case "com" | "serial":
            place = spec.place.removeprefix("\\\\.\\")
            open_device = partial(Line, rf"\\.\{place}", spec.baudrate)
        case "pipe":
            open_device = partial(
                Handle, rf"\\.\pipe\{spec.place}", outlives_host=False, flags=_IDENTIFY_ONLY
            )
        case _:
            open_device = partial(_open_path, spec.place)
    source = OverlappedSource(open_device, partial(_has_name, spec.place))
    if spec.kind in {"com", "serial"}:
        source.max_frame = _LINE_MAX_FRAME
    return source


class Handle:
    """An open device, as overlapped.Device describes it."""

    read_size = _BIG_READ
    times_out = False
    eof_is_no_host = _ON_WINE

    def __init__(self, path: str, *, outlives_host: bool, flags: int = 0) -> None:
        """May block for seconds. Raises OSError that says what to do."""
        self.outlives_host = outlives_host
        self._handle = _open(path, flags)
        self._notices: Notices | None = None

    def fileno(self) -> int:
        """The handle; the proactor asks for it by this name."""
        return self._handle

    def read(self, buffer: memoryview) -> asyncio.Future[int]:
        """Start a read."""
        return cast("asyncio.Future[int]", _proactor().recv_into(self, buffer))  # type: ignore[arg-type]

    def write(self, data: memoryview) -> asyncio.Future[int]:
        """Start a write."""
        return cast("asyncio.Future[int]", _proactor().send(self, data))  # type: ignore[arg-type]

    def host_connected(self) -> bool | None:
        """What the virtio-serial driver says; None from any other device."""
        information = ctypes.create_string_buffer(_INFORMATION_SIZE)
        size = _control(self._handle, _IOCTL_GET_INFORMATION, information)
        return bool(information.raw[_HOST_CONNECTED]) if size > _HOST_CONNECTED else None

    def watch(self, on_host: Callable[[bool], None], on_query_remove: Callable[[], None]) -> None:
        """Have the system tell what the driver announces, if it can."""
        self._notices = watch_port(self._handle, on_host, on_query_remove)

    def close(self) -> None:
        """Close the handle."""
        handle, self._handle = self._handle, 0
        if handle:
            _winapi.CloseHandle(handle)
        if self._notices is not None:
            self._notices.close()


class Line(Handle):
    """An open serial line."""

    read_size = _LINE_READ
    times_out = True

    def __init__(self, path: str, baudrate: int) -> None:
        """Raises OSError if it is no serial line."""
        super().__init__(path, outlives_host=True)
        try:
            set_up_line(self.fileno(), baudrate)
        except OSError:
            self.close()
            raise


def _open_path(path: str) -> Handle:
    """Open any device; a serial line, and only that, takes and needs a line's settings."""
    try:
        return Line(path, _PATH_BAUDRATE)
    except OSError:
        return Handle(path, outlives_host=True)


def _has_name(name: str) -> bool:
    """Whether a device of that name exists, for example the port that a driver has made."""
    target = ctypes.create_unicode_buffer(_INFORMATION_SIZE)
    return bool(_kernel32.QueryDosDeviceW(name, target, len(target)))


def _proactor() -> IocpProactor:
    loop = cast("asyncio.ProactorEventLoop", asyncio.get_running_loop())
    return cast("IocpProactor", loop._proactor)  # type: ignore[attr-defined]  # noqa: SLF001


def _open(path: str, flags: int) -> int:
    try:
        return _winapi.CreateFile(
            path,
            _winapi.GENERIC_READ | _winapi.GENERIC_WRITE,
            0,
            _winapi.NULL,
            _winapi.OPEN_EXISTING,
            _winapi.FILE_FLAG_OVERLAPPED | flags,
            _winapi.NULL,
        )
    except OSError as error:
        raise _explained(error, path) from None


def _explained(error: OSError, path: str) -> OSError:
    if error.winerror == _ERROR_ACCESS_DENIED:
        return OSError(errno.EACCES, f"access to {path} is denied: {why_denied()}")
    if error.winerror == _ERROR_PIPE_BUSY:
        return OSError(errno.EBUSY, f"another program is connected to {path}")
    if error.winerror in {_ERROR_FILE_NOT_FOUND, _ERROR_PATH_NOT_FOUND}:
        return FileNotFoundError(errno.ENOENT, f"there is no {path}")
    return OSError(error.errno, f"{path}: {describe(error)} ({error.winerror})")


class _Overlapped(ctypes.Structure):
    _fields_ = (
        ("internal", ctypes.c_void_p),
        ("internal_high", ctypes.c_void_p),
        ("offset", ctypes.c_uint64),
        ("event", wintypes.HANDLE),
    )


def _control(handle: int, code: int, answer: ctypes.Array[ctypes.c_char]) -> int:
    """Ask the driver; returns the size of its answer, 0 for none. Waits a moment at most."""
    event = _overlapped.CreateEvent(None, True, False, None)
    try:
        # With the lowest bit set the completion isn't queued to the event loop's port.
        overlapped = _Overlapped(event=event | 1)
        size = wintypes.DWORD(0)
        done = _kernel32.DeviceIoControl(
            wintypes.HANDLE(handle),
            wintypes.DWORD(code),
            *(None, 0, answer, len(answer)),
            *(ctypes.byref(size), ctypes.byref(overlapped)),
        )
        if not done and ctypes.get_last_error() == _ERROR_IO_PENDING:
            done = _kernel32.GetOverlappedResult(
                wintypes.HANDLE(handle), ctypes.byref(overlapped), ctypes.byref(size), True
            )
        return size.value if done else 0
    finally:
        _winapi.CloseHandle(event)
