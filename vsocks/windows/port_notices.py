"""What the driver of a virtio-serial port announces: a host that comes or goes, its own removal.

The system tells by CM_Register_Notification (Windows 8 and later), in a service and in a console
program alike, on a thread of its own.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import asyncio
import ctypes
import threading
import uuid
from ctypes import wintypes
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: vioserial/sys/public.h, GUID_VIOSERIAL_PORT_CHANGE_STATUS: its data are a version and whether a
#: host is connected (VIRTIO_PORT_STATUS_CHANGE).
_CHANGE_STATUS: Final = uuid.UUID("2c0f39ac-b156-4237-9c64-8991a18bf35c").bytes_le

# cfgmgr32.h
_FILTER_DEVICE_HANDLE: Final = 1
_ACTION_QUERY_REMOVE: Final = 2
_ACTION_CUSTOM_EVENT: Final = 6
_SUCCESS: Final = 0

#: Seconds that a driver which wants to go waits for our handle to be closed.
_RELEASE: Final = 3.0

_Callback = ctypes.WINFUNCTYPE(
    wintypes.DWORD,
    *(wintypes.HANDLE, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD),
)


class _Filter(ctypes.Structure):
    """CM_NOTIFY_FILTER, as it is for a handle; the union is as long as its longest, a path."""

    _fields_ = (
        ("size", wintypes.DWORD),
        ("flags", wintypes.DWORD),
        ("type", ctypes.c_int),
        ("reserved", wintypes.DWORD),
        ("handle", wintypes.HANDLE),
        ("_rest", ctypes.c_byte * (400 - ctypes.sizeof(wintypes.HANDLE))),
    )


class _Event(ctypes.Structure):
    """CM_NOTIFY_EVENT_DATA, as it is for a handle, with what the port's driver adds."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("reserved", wintypes.DWORD),
        ("guid", ctypes.c_byte * 16),
        ("name_offset", wintypes.LONG),
        ("data_size", wintypes.DWORD),
        ("version", wintypes.DWORD),
        ("connected", wintypes.DWORD),
    )


class Notices:
    """A registration, until it is closed."""

    def __init__(
        self, manager: Any, on_host: Callable[[bool], None], on_query_remove: Callable[[], None]
    ) -> None:
        """``manager`` is cfgmgr32; the calls are made on the running event loop."""
        self._manager = manager
        self._on_host = on_host
        self._on_query_remove = on_query_remove
        self._loop = asyncio.get_running_loop()
        self._released = threading.Event()
        # It must live as long as the registration.
        self._callback = _Callback(self._on_notice)
        self._registration = wintypes.HANDLE()

    def register(self, handle: int) -> bool:
        """Ask for what is told of the device behind ``handle``; returns whether that is granted."""
        wanted = _Filter(
            size=ctypes.sizeof(_Filter), type=_FILTER_DEVICE_HANDLE, handle=wintypes.HANDLE(handle)
        )
        answer: int = self._manager.CM_Register_Notification(
            ctypes.byref(wanted), None, self._callback, ctypes.byref(self._registration)
        )
        return answer == _SUCCESS

    def close(self) -> None:
        """The handle is closed: let a driver go that waits for that, and hear no more."""
        self._released.set()
        # It waits for a call that is under way, so not from within one.
        self._manager.CM_Unregister_Notification(self._registration)

    def _on_notice(
        self, _registration: object, _context: object, action: int, data: int, size: int
    ) -> int:
        """An exception here would be lost."""
        try:
            if action == _ACTION_QUERY_REMOVE:
                self._loop.call_soon_threadsafe(self._on_query_remove)
                self._released.wait(_RELEASE)
            elif action == _ACTION_CUSTOM_EVENT and size >= ctypes.sizeof(_Event):
                event = _Event.from_address(data)
                if bytes(event.guid) == _CHANGE_STATUS:
                    self._loop.call_soon_threadsafe(self._on_host, bool(event.connected))
        except RuntimeError:  # the loop has ended
            return _SUCCESS
        return _SUCCESS


def watch_port(
    handle: int,
    on_host: Callable[[bool], None],
    on_query_remove: Callable[[], None],
    manager: Any = None,
) -> Notices | None:
    """Have the event loop told; None where the system, or the device, has no such notices."""
    manager = ctypes.WinDLL("cfgmgr32") if manager is None else manager
    if not hasattr(manager, "CM_Register_Notification"):  # Wine 8
        return None
    notices = Notices(manager, on_host, on_query_remove)
    return notices if notices.register(handle) else None
