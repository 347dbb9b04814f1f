"""A virtio-serial port as Windows' driver serves it, call for call.

What is said of the driver is from kvm-guest-drivers-windows, vioserial/sys: Port.c and Buffer.c, by
the function's name. Where later versions differ from earlier ones, both ways can be asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque

ERROR_FILE_NOT_FOUND = 2
ERROR_ACCESS_DENIED = 5
ERROR_CANT_WAIT = 552
ERROR_OPERATION_ABORTED = 995
ERROR_NO_SYSTEM_RESOURCES = 1450
ERROR_DEVICE_REMOVED = 1617

BUFFER = 4096
"""Of a buffer for input: VIOSerialFillQueue."""
DESCRIPTORS = 128
"""Of the queue to the host, a page each: VIOSerialSendBuffers."""


class WindowsError(OSError):
    """As Windows gives it."""

    def __init__(self, winerror: int) -> None:
        super().__init__(22, f"error {winerror}")
        self.winerror = winerror


class FakeDriver:
    """The port, the driver beneath it, and the host's side of it."""

    def __init__(self) -> None:
        self.host = False
        self.present = True
        self.handle: FakeHandle | None = None
        self.opened = 0
        #: What an opened handle is: a test may want one that behaves otherwise.
        self.handle_type = FakeHandle
        self.input: deque[bytes] = deque()
        self.to_host = bytearray()
        #: Whether the host takes what is written; else it waits in the queue.
        self.drains = True
        #: Whether refused writes are told as 1450 in place of 552.
        self.full_is_1450 = False
        self.writes: list[bytes] = []

    def open(self) -> FakeHandle:
        """CreateFile. VIOSerialPortCreate lets one in; what was discarded at close stays so."""
        if not self.present:
            raise WindowsError(ERROR_FILE_NOT_FOUND)
        if self.handle is not None:
            raise WindowsError(ERROR_ACCESS_DENIED)
        self.handle = self.handle_type(self)
        self.opened += 1
        return self.handle

    # -- the host's side -------------------------------------------------------------------

    def connect(self) -> None:
        """A host comes. VIOSerialPortPnpNotify only sets HostConnected: nothing is completed."""
        self.host = True

    def disconnect(self) -> None:
        """The host goes. A pending read stays; a pending write ends, for QEMU drops its bytes."""
        self.host = False
        if self.handle is not None:
            self.handle.end_write()

    def send(self, data: bytes) -> None:
        """The host sends: buffers of 4 KiB at most, one for each read (VIOSerialFillReadBuf)."""
        self.input.extend(data[at : at + BUFFER] for at in range(0, len(data), BUFFER))
        if self.handle is not None:
            self.handle.serve_read()

    def drain(self) -> None:
        """The host reads on: VIOSerialReclaimConsumedBuffers completes what was pending."""
        self.drains = True
        if self.handle is not None:
            self.handle.end_write(taken=True)

    # -- the device ------------------------------------------------------------------------

    def remove(self) -> None:
        """The device goes: VIOSerialPortEvtDeviceD0Exit, and the queues are purged."""
        self.present = False
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.purge()

    def come_back(self) -> None:
        """The device is there again, as new."""
        self.present = True
        self.input.clear()


class FakeHandle:
    """An open handle: what overlapped.Device says, as the driver does it."""

    outlives_host = True
    times_out = False
    read_size = 64 * 1024

    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver
        self._reading: tuple[asyncio.Future[int], memoryview] | None = None
        self._writing: tuple[asyncio.Future[int], bytes] | None = None
        self.closed = False

    def read(self, buffer: memoryview) -> asyncio.Future[int]:
        """VIOSerialPortRead: what there is; no host: 1450 at once; else the request is kept."""
        self._check()
        assert self._reading is None, "a second read: VIOSerialPortRead has room for one"
        driver = self._driver
        if not driver.input and not driver.host:
            raise WindowsError(ERROR_NO_SYSTEM_RESOURCES)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = (future, buffer)
        self.serve_read()
        return future

    def write(self, data: memoryview) -> asyncio.Future[int]:
        """VIOSerialPortWrite: refused at once without a host or room; else kept until taken."""
        self._check()
        assert self._writing is None, "a second write while one is under way"
        driver = self._driver
        if not driver.host:
            raise WindowsError(ERROR_CANT_WAIT)
        if len(data) > DESCRIPTORS * BUFFER or driver.full_is_1450:
            raise WindowsError(ERROR_NO_SYSTEM_RESOURCES)
        # The driver has copied the bytes by the time the call returns (RtlCopyMemory).
        copy = bytes(data)
        driver.writes.append(copy)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._writing = (future, copy)
        if driver.drains:
            self.end_write(taken=True)
        return future

    def host_connected(self) -> bool | None:
        """VIOSerialPortDeviceControl, IOCTL_GET_INFORMATION."""
        return self._driver.host

    def close(self) -> None:
        """VIOSerialPortClose: what is unread is discarded (VIOSerialDiscardPortData)."""
        self.closed = True
        if self._driver.handle is self:
            self._driver.handle = None
            self._driver.input.clear()

    # -- what the driver does by itself ----------------------------------------------------

    def serve_read(self) -> None:
        if self._reading is None or not self._driver.input:
            return
        (future, buffer), self._reading = self._reading, None
        if future.cancelled():  # VIOSerialPortReadRequestCancel: nothing was taken
            return
        data = self._driver.input.popleft()
        buffer[: len(data)] = data
        future.set_result(len(data))

    def end_write(self, *, taken: bool = False) -> None:
        if self._writing is None:
            return
        (future, data), self._writing = self._writing, None
        if taken:
            self._driver.to_host += data
        if not future.done():  # a cancelled write is sent all the same
            future.set_result(len(data))

    def purge(self) -> None:
        """VIOSerialPortReadIoStop and ...WriteIoStop, with WdfRequestStopActionPurge."""
        for pending, error in (
            (self._reading, ERROR_OPERATION_ABORTED),
            (self._writing, ERROR_DEVICE_REMOVED),
        ):
            if pending is not None and not pending[0].done():
                pending[0].set_exception(WindowsError(error))
        self._reading = self._writing = None

    def _check(self) -> None:
        if self._driver.handle is not self:
            raise WindowsError(ERROR_DEVICE_REMOVED)
