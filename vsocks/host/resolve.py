"""Look-ups of names and addresses by the system's resolver, without blocking and within bounds.

A look-up by the system's resolver can't be interrupted and may take half a minute. So it runs in
a daemon thread, and nobody has to wait for it: neither a caller who gives up, nor the end of the
process. asyncio's own executor keeps the process alive until its threads have finished, and has no
bound on what is queued.
"""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

from aiohappyeyeballs import AddrInfoType

from vsocks.address import IPAddress, ascii_name, parse_ip
from vsocks.errors import BusyError, describe
from vsocks.host.histogram import Histogram

T = TypeVar("T")
LookUp = Callable[[bytes, int], Sequence[AddrInfoType]]
ReverseLookUp = Callable[[str], str]

#: Seconds: from what a cache answers to what nobody waits for any longer.
_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[T]):
    look_up: Callable[[], T]
    future: asyncio.Future[T]

    def settle(self, result: T | OSError) -> None:
        """Give ``result`` to the caller, if it still waits. Runs in the event loop's thread."""
        if self.future.done():
            return
        if isinstance(result, OSError):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)

    def run(self) -> T | OSError:
        """The result. Runs in a thread."""
        try:
            return self.look_up()
        except OSError as error:
            return error

    def settle_from_thread(self, result: T | OSError) -> None:
        """The same as ``settle``, from a thread."""
        try:
            self.future.get_loop().call_soon_threadsafe(self.settle, result)
        except RuntimeError:
            # The loop is closed: there is nobody left to tell.
            return


def system_look_up(name: bytes, port: int) -> Sequence[AddrInfoType]:
    """What the system finds for ``name``: hosts file, DNS, whatever it is configured to ask.

    The name is bytes: Python would first encode text as IDNA, and fail in ways of its own.
    """
    return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)


def system_reverse_look_up(address: str) -> str:
    """The name that the system finds for ``address``, by the same means."""
    return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]


class Resolver:
    """Looks up in at most ``threads`` threads, for at most ``pending`` callers at a time.

    As many threads as callers: names whose servers don't answer keep no other name waiting. Each
    begins when it is first needed. Bound to no event loop; to be closed by its owner.
    """

    def __init__(
        self,
        threads: int = 64,
        pending: int = 64,
        look_up: LookUp = system_look_up,
        reverse_look_up: ReverseLookUp = system_reverse_look_up,
    ) -> None:
        self._look_up = look_up
        self._reverse_look_up = reverse_look_up
        self._max_pending = pending
        # All below is guarded by the condition.
        self._changed = Condition()
        self._queue: deque[_Job[Any]] = deque()
        self._running = 0
        self._threads = 0
        self._max_threads = threads
        self._closed = False
        #: Seconds that callers have waited for, whether there was an answer or not.
        self.times = Histogram(_BOUNDS)

    async def resolve(self, name: str, port: int) -> Sequence[AddrInfoType]:
        """The addresses of ``name``, best first, in the form that connecting takes.

        Raises socket.gaierror if there are none, and BusyError at once if too many look-ups are
        pending. A look-up under way whose caller is cancelled counts until it ends; a queued one
        is dropped.
        """
        ip = parse_ip(name)
        if ip is not None:
            return [literal_info(ip, port)]
        try:
            raw_name = ascii_name(name).encode("ascii")
        except ValueError as error:
            raise socket.gaierror(socket.EAI_NONAME, describe(error)) from None
        return await self._done(partial(self._look_up, raw_name, port))

    async def name_of(self, ip: IPAddress) -> str:
        """The name of ``ip``, in ASCII.

        Raises socket.gaierror if it has none, or none that is valid: whoever serves the name may
        answer anything. Raises BusyError as ``resolve`` does.
        """
        name = await self._done(partial(self._reverse_look_up, str(ip)))
        try:
            if parse_ip(name) is None:
                return ascii_name(name)
        except ValueError:
            pass
        raise socket.gaierror(socket.EAI_NONAME, f"{name[:80]!r} is no name")

    async def _done(self, look_up: Callable[[], T]) -> T:
        job: _Job[T] = _Job(look_up, asyncio.get_running_loop().create_future())
        self._submit(job)
        began = time.monotonic()
        try:
            return await job.future
        except asyncio.CancelledError:
            self._forget(job)
            raise
        finally:
            self.times.add(time.monotonic() - began)

    def close(self) -> None:
        """Stop the threads, each when its look-up has finished, and fail the queued callers.

        To be called in the event loop's thread.
        """
        with self._changed:
            self._closed = True
            dropped = list(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        for job in dropped:
            if not job.future.done():
                job.future.set_exception(BusyError("the resolver is closed"))

    def _submit(self, job: _Job[Any]) -> None:
        with self._changed:
            if self._closed:
                raise BusyError("the resolver is closed")
            if len(self._queue) + self._running >= self._max_pending:
                raise BusyError(f"{self._max_pending} look-ups are pending")
            self._queue.append(job)
            self._changed.notify()
            if self._running + len(self._queue) > self._threads < self._max_threads:
                name = f"resolver-{self._threads}"
                self._threads += 1
                Thread(target=self._work, name=name, daemon=True).start()

    def _forget(self, job: _Job[Any]) -> None:
        with self._changed:
            if job in self._queue:
                self._queue.remove(job)

    def _work(self) -> None:
        """The body of a thread."""
        while (job := self._next()) is not None:
            result = job.run()
            with self._changed:
                self._running -= 1
            job.settle_from_thread(result)

    def _next(self) -> _Job[Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return None
            self._running += 1
            return self._queue.popleft()


def literal_info(ip: IPAddress, port: int) -> AddrInfoType:
    """What a look-up of an address would give."""
    if ip.version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(ip), port)
    return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(ip), port, 0, 0)
