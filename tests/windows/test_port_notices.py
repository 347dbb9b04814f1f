"""What the driver announces. Wine 8 has no CM_Register_Notification: a stand-in calls for it."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.windows.support import run

assert sys.platform == "win32"

from vsocks.windows import port_notices
from vsocks.windows.port_notices import watch_port

CHANGE_STATUS = uuid.UUID("2c0f39ac-b156-4237-9c64-8991a18bf35c")
HANDLE = 77
QUERY_REMOVE, QUERY_REMOVE_FAILED, CUSTOM_EVENT = 2, 3, 6


class StandIn:
    """cfgmgr32, as far as it is asked; it calls from a thread of its own, as the real one does."""

    def __init__(self, answer: int = 0) -> None:
        self.answer = answer
        self.callback: Any = None
        self.unregistered: list[int] = []

    def CM_Register_Notification(  # noqa: N802
        self, wanted: Any, _context: None, callback: Any, registration: Any
    ) -> int:
        sought = wanted._obj
        assert (sought.size, sought.type, sought.handle) == (416, 1, HANDLE)
        self.callback = callback
        registration._obj.value = 5
        return self.answer

    def CM_Unregister_Notification(self, registration: Any) -> int:  # noqa: N802
        self.unregistered.append(registration.value)
        return 0

    def tell(self, action: int, event: bytes = b"") -> threading.Thread:
        data = ctypes.create_string_buffer(event, max(1, len(event)))

        def call() -> None:
            assert self.callback(5, None, action, ctypes.addressof(data), len(event)) == 0

        thread = threading.Thread(target=call)
        thread.start()
        return thread


def event_of(guid: uuid.UUID, connected: int) -> bytes:
    """CM_NOTIFY_EVENT_DATA with a VIRTIO_PORT_STATUS_CHANGE."""
    head = (1).to_bytes(4, "little") + bytes(4) + guid.bytes_le
    rest = (-1, 8, 1, connected)
    return head + b"".join(number.to_bytes(4, "little", signed=True) for number in rest)


def test_a_host_that_comes_and_goes_is_told() -> None:
    async def told() -> None:
        stand_in, heard = StandIn(), asyncio.Queue[bool]()
        notices = watch_port(HANDLE, heard.put_nowait, lambda: None, stand_in)
        assert notices is not None
        stand_in.tell(CUSTOM_EVENT, event_of(uuid.uuid4(), 1)).join()
        stand_in.tell(CUSTOM_EVENT, b"too short").join()
        stand_in.tell(QUERY_REMOVE_FAILED).join()
        for connected in (1, 0):
            stand_in.tell(CUSTOM_EVENT, event_of(CHANGE_STATUS, connected))
            assert await heard.get() is bool(connected)
        assert heard.empty()
        notices.close()
        assert stand_in.unregistered == [5]

    run(told())


def test_a_driver_that_wants_to_go_waits_until_the_handle_is_closed() -> None:
    async def asked() -> None:
        stand_in, asked_to_go = StandIn(), asyncio.Event()
        notices = watch_port(HANDLE, lambda _connected: None, asked_to_go.set, stand_in)
        assert notices is not None
        waiting = stand_in.tell(QUERY_REMOVE)
        await asked_to_go.wait()
        assert waiting.is_alive()
        notices.close()
        await asyncio.to_thread(waiting.join)

    run(asked())


def test_nobody_is_told_once_the_loop_has_ended() -> None:
    stand_in = StandIn()
    kept: list[object] = []

    async def watch() -> None:
        def fail(_connected: bool) -> None:
            pytest.fail("told")

        kept.append(watch_port(HANDLE, fail, lambda: None, stand_in))

    run(watch())
    stand_in.tell(CUSTOM_EVENT, event_of(CHANGE_STATUS, 1)).join()


@pytest.mark.parametrize("manager", [StandIn(answer=0x1F), object(), None])
def test_a_system_or_device_that_tells_nothing(manager: object) -> None:
    """None is the real cfgmgr32, which knows nothing of the handle."""

    async def watch() -> None:
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731
        assert watch_port(HANDLE, nothing, nothing, manager) is None

    run(watch())


def test_the_wait_for_a_handle_that_is_not_closed_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(port_notices, "_RELEASE", 0.1)

    async def never_closed() -> None:
        stand_in = StandIn()
        assert watch_port(HANDLE, lambda _connected: None, lambda: None, stand_in)
        await asyncio.to_thread(stand_in.tell(QUERY_REMOVE).join)

    run(never_closed())
