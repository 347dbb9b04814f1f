"""A virtio-serial port of Windows, call for call: the handle, KMDF, the driver, QEMU behind it.

Each behaviour names the function it is from. Those of the driver are in kvm-guest-drivers-windows,
vioserial/sys: Port.c, Buffer.c, Control.c. KMDF is Windows-Driver-Frameworks, src/framework/shared.
QEMU's are in hw/char/virtio-serial-bus.c and virtio-console.c (8.x and before).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

ERROR_FILE_NOT_FOUND = 2
ERROR_ACCESS_DENIED = 5
ERROR_INVALID_HANDLE = 6
ERROR_BAD_COMMAND = 22
ERROR_CANT_WAIT = 552
ERROR_OPERATION_ABORTED = 995
ERROR_NO_SYSTEM_RESOURCES = 1450
ERROR_OBJECT_NO_LONGER_EXISTS = 6807

BUFFER = 4096
"""Of a buffer for input: VIOSerialAllocateSinglePageBuffer. QEMU reads as much at a time."""
DESCRIPTORS = 128
"""Of the queue to the host, each for a page: QUEUE_DESCRIPTORS in Buffer.c."""


class WindowsError(OSError):
    """As Windows gives it."""

    def __init__(self, winerror: int) -> None:
        super().__init__(22, f"error {winerror}")
        self.winerror = winerror


@dataclass(eq=False)
class Request:
    """A read or a write on its way; ``future`` is what asyncio made of its OVERLAPPED."""

    future: asyncio.Future[int]
    memory: memoryview
    #: The driver's own copy of what is written: WdfRequestRetrieveInputBuffer, buffered I/O.
    data: bytes = b""
    descriptors: int = 0
    finished: bool = False
    #: Whether asyncio sees the end at once (HasOverlappedIoCompleted), as it may within the call.
    prompt: bool = False

    def complete(self, result: int | WindowsError) -> None:
        """WdfRequestComplete. It comes out of the completion port, so in a later turn."""
        assert not self.finished
        self.finished = True
        if self.prompt:
            self._settle(result)
        else:
            self.future.get_loop().call_soon(self._settle, result)

    def _settle(self, result: int | WindowsError) -> None:
        if self.future.done():  # asyncio cancelled it; nobody hears of its end
            return
        if isinstance(result, int):
            self.future.set_result(result)
        else:
            self.future.set_exception(result)


@dataclass(eq=False)
class Queue:
    """The queue of what is written, as QEMU works on it."""

    #: Whether a client is connected to the chardev (VirtIOSerialPort.host_connected), and reads.
    host: bool = False
    drains: bool = True
    #: What clients have got, each for itself.
    clients: list[bytearray] = field(default_factory=list)
    #: The available ring; the element of which the chardev didn't take all (VirtIOSerialPort.elem).
    available: deque[Request] = field(default_factory=deque)
    in_hand: Request | None = None
    #: What will never come to the used ring.
    detached: list[Request] = field(default_factory=list)
    #: How much a client that doesn't read takes of an element all the same: of its socket's buffer.
    slack: int = 0
    returned: Callable[[Request], None] = lambda _request: None

    def kick(self) -> None:
        """handle_output(): discard_vq_data() without a client, else do_flush_queued_data()."""
        while self.available and self.in_hand is None:
            request = self.available.popleft()
            if not self.host:
                self.returned(request)  # dropped; the guest hears that all went well
            elif self.drains:
                self.clients[-1] += request.data
                self.returned(request)
            else:
                self.in_hand = request  # flush_buf() said EAGAIN: throttled
                self.clients[-1] += request.data[: self.slack]

    def open(self) -> None:
        """virtio_serial_open(). What waits in the ring waits for the next kick."""
        self.host = True
        self.clients.append(bytearray())

    def close(self) -> None:
        """virtio_serial_close(): discard_throttle_data(), which is virtqueue_detach_element()."""
        self.host = False
        if self.in_hand is not None:
            self.detached.append(self.in_hand)
            self.in_hand = None

    def drain(self) -> None:
        """chr_write_unblocked(): virtio_serial_throttle_port(false), which flushes."""
        self.drains = True
        request, self.in_hand = self.in_hand, None
        if request is not None:
            self.clients[-1] += request.data[self.slack :]
            self.returned(request)
        self.kick()

    def reset(self) -> list[Request]:
        """The device is reset (S3, S4, a new D0): what was in the queue is the driver's again."""
        mine = [*self.detached, *([self.in_hand] if self.in_hand else []), *self.available]
        self.detached, self.in_hand = [], None
        self.available.clear()
        return mine


class FakeDriver:
    """The port, the driver beneath it, and the host's side of it."""

    def __init__(self) -> None:
        self.queue = Queue(returned=self._reclaim)
        #: HostConnected, by the control message of QEMU: VIOSerialHandleCtrlMsg, ..._PORT_OPEN.
        self.host = False
        self.present = True
        self.handle: FakeHandle | None = None
        self.opened = 0
        #: What an opened handle is: a test may want one that behaves otherwise.
        self.handle_type = FakeHandle
        self.input: deque[bytes] = deque()
        self.free = DESCRIPTORS
        #: OutVqFull: set by the write that finds no room, cleared when a descriptor comes back.
        self.is_full = False
        #: Whether each write is refused with 1450: VIOSerialPortWrite could not get memory.
        self.has_no_memory = False
        #: Whether a request that needs no waiting is seen to have ended by the one who made it.
        self.prompt = False
        #: All that was given to QEMU.
        self.writes: list[bytes] = []

    @property
    def to_host(self) -> bytes:
        """What all hosts together have got."""
        return b"".join(self.queue.clients)

    def open(self) -> FakeHandle:
        """CreateFile. The device is exclusive, so it lets one in (WdfDeviceInitSetExclusive)."""
        if not self.present:
            raise WindowsError(ERROR_FILE_NOT_FOUND)
        if self.handle is not None:
            raise WindowsError(ERROR_ACCESS_DENIED)
        self.handle = self.handle_type(self)
        self.opened += 1
        return self.handle

    # -- the host's side -------------------------------------------------------------------

    def connect(self, *, told: bool = True) -> None:
        """A host comes. VIOSerialPortPnpNotify sets HostConnected, and tells who wants to know.

        Nothing that pends is completed by that. Without ``told`` the notification is lost.
        """
        self.queue.open()
        self.host = True
        self._notify(told=told)

    def disconnect(self, *, told: bool = True) -> None:
        """The host goes. A pending read stays, and so does the write that QEMU was busy with."""
        self.queue.close()
        self.host = False
        self._notify(told=told)

    def _notify(self, *, told: bool) -> None:
        """VIOSerialPortPnpNotifyWork, IoReportTargetDeviceChangeAsynchronous.

        It says what is so by the time that the work item runs.
        """
        if told and self.handle is not None and self.handle.on_host is not None:
            on_host = self.handle.on_host
            asyncio.get_running_loop().call_soon(lambda: on_host(self.host))

    def send(self, data: bytes) -> None:
        """The host sends: VIOSerialProcessInputBuffers gives a pending read one buffer of 4 KiB."""
        self.input.extend(data[at : at + BUFFER] for at in range(0, len(data), BUFFER))
        if self.handle is not None:
            self.handle.serve_read()

    def stall(self, slack: int = 0) -> None:
        """The host stops reading; ``slack`` bytes of the next write go to it all the same."""
        self.queue.drains, self.queue.slack = False, slack

    def drain(self) -> None:
        """It reads on."""
        self.queue.drain()

    # -- the device ------------------------------------------------------------------------

    def query_remove(self) -> bool:
        """PnP asks whether the device may go, for an update of the driver; tells the answer.

        GUID_TARGET_DEVICE_QUERY_REMOVE first; then whoever still has it open is the veto.
        """
        handle = self.handle
        if handle is not None and handle.on_query_remove is not None:
            handle.on_query_remove()
        return self.handle is None

    def remove(self) -> None:
        """The device goes: VIOSerialEvtChildListSurprise..., KMDF purges the queues."""
        self.present = False
        handle, self.handle = self.handle, None
        for request in self.queue.reset():
            if not request.finished:  # VIOSerialPortWriteIoStop, WdfRequestStopActionPurge
                request.complete(WindowsError(ERROR_OBJECT_NO_LONGER_EXISTS))
        self.free, self.is_full = DESCRIPTORS, False
        if handle is not None:
            handle.purge()

    def come_back(self) -> None:
        """The device is there again, as new."""
        self.present = True
        self.input.clear()

    def sleep_and_wake(self, *, host: bool) -> None:
        """S3 or S4. VIOSerialPortWriteIoStop hands a pending write back; it is sent whole again.

        HostConnected is false until QEMU says otherwise (since ac8043e3), which is no answer to
        who sleeps: ``host`` is whether one is connected when the writes are presented again.
        """
        pending = [request for request in self.queue.reset() if not request.finished]
        self.free, self.is_full, self.host = DESCRIPTORS, False, host
        for request in pending:
            self.present_write(request)

    # -- writes ----------------------------------------------------------------------------

    def present_write(self, request: Request) -> None:
        """VIOSerialPortWrite, DmaWriteCallback: refused without a host or room, else queued."""
        if not self.host or self.is_full:  # VIOSerialWillWriteBlock: STATUS_CANT_WAIT
            request.complete(WindowsError(ERROR_CANT_WAIT))
            return
        request.descriptors = -(-len(request.data) // BUFFER)
        self.is_full = request.descriptors > self.free
        if self.is_full or self.has_no_memory:
            self.is_full = False if self.has_no_memory else self.is_full
            request.complete(WindowsError(ERROR_NO_SYSTEM_RESOURCES))
            return
        self.free -= request.descriptors
        self.writes.append(request.data)
        self.queue.available.append(request)
        self.queue.kick()

    def _reclaim(self, request: Request) -> None:
        """VIOSerialReclaimConsumedBuffers."""
        self.free += request.descriptors
        self.is_full = False
        request.complete(len(request.data))
        if self.handle is not None:
            self.handle.write_ended()


class FakeHandle:
    """An open handle: what Device says, as KMDF and the driver do it.

    FxIoQueue::QueueRequest marks each request pending before the driver sees it, so nothing fails
    at once: what is refused fails by its completion.
    """

    outlives_host = True
    times_out = False
    eof_is_no_host = False
    read_size = 64 * 1024

    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver
        self.reading: Request | None = None
        self.writing: list[Request] = []
        self.on_host: Callable[[bool], None] | None = None
        self.on_query_remove: Callable[[], None] | None = None
        self.closed = False

    def read(self, buffer: memoryview) -> asyncio.Future[int]:
        """VIOSerialPortRead: what there is; no host: 1450; else the request is kept."""
        request = self._request(buffer)
        if request.finished:
            return request.future
        request.prompt = self._driver.prompt
        assert self.reading is None, "a second read: the queue of reads is sequential"
        if not self._driver.input and not self._driver.host:
            request.complete(WindowsError(ERROR_NO_SYSTEM_RESOURCES))
        else:
            self.reading = request
            self.serve_read()
        request.prompt = False
        return request.future

    def write(self, data: memoryview) -> asyncio.Future[int]:
        """VIOSerialPortWrite; more than one may pend: the queue of writes is parallel."""
        request = self._request(data)
        if request.finished:
            return request.future
        request.data, request.prompt = bytes(data), self._driver.prompt
        self.writing.append(request)
        self._driver.present_write(request)
        request.prompt = False
        self.write_ended()
        return request.future

    def host_connected(self) -> bool | None:
        """VIOSerialPortDeviceControl, IOCTL_GET_INFORMATION; its queue is another."""
        return self._driver.host

    def watch(self, on_host: Callable[[bool], None], on_query_remove: Callable[[], None]) -> None:
        """A registration for the notifications of the device."""
        self.on_host, self.on_query_remove = on_host, on_query_remove

    def close(self) -> None:
        """CloseHandle. The read is cancelled (VIOSerialPortReadRequestCancel); a write can't be.

        VIOSerialPortClose, which lets the next one in and discards what is unread, comes only when
        no request is left: the file object is held by each.
        """
        self.closed = True
        if self.reading is not None:
            self.reading.complete(WindowsError(ERROR_OPERATION_ABORTED))
            self.reading = None
        self.write_ended()

    # -- what the driver does by itself ----------------------------------------------------

    def serve_read(self) -> None:
        """VIOSerialProcessInputBuffers, VIOSerialFillReadBufLocked."""
        request = self.reading
        if request is None or not self._driver.input:
            return
        self.reading = None
        if request.future.cancelled():  # VIOSerialPortReadRequestCancel: nothing was taken
            return
        data = self._driver.input.popleft()
        size = min(len(data), len(request.memory))
        request.memory[:size] = data[:size]
        if data[size:]:
            self._driver.input.appendleft(data[size:])
        request.complete(size)

    def write_ended(self) -> None:
        """Forget what has ended; VIOSerialPortClose, if that was the last of a closed handle."""
        self.writing = [request for request in self.writing if not request.finished]
        if self.closed and not self.writing and self._driver.handle is self:
            self._driver.handle = None
            self._driver.input.clear()

    def purge(self) -> None:
        """VIOSerialPortReadIoStop with WdfRequestStopActionPurge: STATUS_CANCELLED."""
        if self.reading is not None:
            self.reading.complete(WindowsError(ERROR_OPERATION_ABORTED))
        self.reading = None
        self.write_ended()

    def _request(self, memory: memoryview) -> Request:
        """KMDF takes it, or, for a device that has gone, refuses it (FxPkgIo::Dispatch...)."""
        if self.closed:
            raise WindowsError(ERROR_INVALID_HANDLE)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        request = Request(future, memory)
        if self._driver.handle is not self:
            request.complete(WindowsError(ERROR_BAD_COMMAND))
        return request
