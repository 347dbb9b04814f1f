"""What the overlapped channel asks of a device, and the errors of Windows that it understands."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

# vioserial/sys/Port.c, VIOSerialPortRead and VIOSerialPortWrite. STATUS_INSUFFICIENT_RESOURCES: a
# read without a host; a write that finds no room. STATUS_CANT_WAIT: a write without a host, or
# after one that found no room. Nothing was sent.
ERROR_NO_SYSTEM_RESOURCES: Final = 1450
ERROR_CANT_WAIT: Final = 552
REFUSED: Final = frozenset({ERROR_NO_SYSTEM_RESOURCES, ERROR_CANT_WAIT})
#: The end of a pipe; on Wine also a virtio-serial port without a host, where Linux' read returns 0.
ERROR_HANDLE_EOF: Final = 38
ERROR_TIMEOUT: Final = 1460


class Device(Protocol):
    """An open handle. Operations end in any order; errors carry ``winerror``."""

    #: Whether the handle is still good after the host has gone.
    outlives_host: bool
    #: Whether error 38 says that no host is connected; else it is the end.
    eof_is_no_host: bool
    #: Whether a read may end with nothing, which says nothing of the other end: a serial line's.
    times_out: bool
    #: Bytes that one read asks for at most.
    read_size: int

    def read(self, buffer: memoryview) -> asyncio.Future[int]:
        """Start a read; raises OSError at once or through the future."""

    def write(self, data: memoryview) -> asyncio.Future[int]:
        """Start a write of ``data``, which must not change; raises OSError likewise."""

    def host_connected(self) -> bool | None:
        """Whether the host is connected; None if the device can't tell."""

    def watch(self, on_host: Callable[[bool], None], on_query_remove: Callable[[], None]) -> None:
        """Tell of a host that comes or goes, and of a driver that wants to go, where that is told.

        Called on the event loop, ``on_host`` with whether one is connected by now; the handle is to
        be closed soon after ``on_query_remove``.
        """

    def close(self) -> None:
        """Close the handle; may block."""


def was_refused(device: Device, error: OSError) -> bool:
    """Whether nothing was sent or read for now, and the device is good: no host, or no room."""
    number = winerror(error)
    return number in REFUSED or (device.eof_is_no_host and number == ERROR_HANDLE_EOF)


def winerror(error: OSError) -> int | None:
    """The number of an error of Windows."""
    return getattr(error, "winerror", None)


def windows_error(number: int, text: str) -> OSError:
    """An error as Windows would raise it, on any system."""
    error = OSError(errno.EIO, text)
    error.winerror = number  # type: ignore[attr-defined, unused-ignore]
    return error
