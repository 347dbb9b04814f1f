"""QEMU's control channel for plain synchronous code.

`qemu.qmp` is asynchronous; its client lives on an event loop in a thread of its own here. Every
command, answer and event is written to a log.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from qemu.qmp import QMPClient

from vsocks.host.qemu import reach

T = TypeVar("T")
Data = Mapping[str, Any]
MAX_EVENTS = 1000


class QMPError(Exception):
    """A command failed, or an event did not come in time."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that QEMU told by itself, and when it came (`time.monotonic()`)."""

    number: int
    name: str
    data: Data
    at: float


class Monitor(ABC):
    """Commands to QEMU, and what it tells by itself."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._count = 0
        self._changed = threading.Condition()

    @abstractmethod
    def execute(
        self, command: str, arguments: dict[str, object] | None = None, *, timeout: float = 30
    ) -> Any:
        """Run a command and return its answer; raise QMPError when QEMU refuses or is silent."""

    @abstractmethod
    def close(self) -> None:
        """Hang up; harmless when QEMU has already gone."""

    def mark(self) -> int:
        """The number of the next event. Take it before the command whose events you await."""
        with self._changed:
            return self._count

    def wait_event(
        self,
        name: str,
        where: Callable[[Data], bool] = lambda _data: True,
        *,
        timeout: float,
        after: int = 0,
    ) -> Event:
        """The first event `name` from number `after` on whose data satisfies `where`."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for event in self._events:
                    if event.number >= after and event.name == name and where(event.data):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    raise QMPError(f"no event {name} within {timeout:g} s; see {self._log}")
                self._changed.wait(left)

    def run_job(self, command: str, arguments: dict[str, object], *, timeout: float = 60) -> None:
        """Run a command that starts a background job, and wait for the job's end."""
        mark = self.mark()
        job = f"job{mark}"
        self.execute(command, {"job-id": job, **arguments})
        self.wait_event(
            "JOB_STATUS_CHANGE",
            lambda data: data["id"] == job and data["status"] == "concluded",
            timeout=timeout,
            after=mark,
        )
        [status] = [entry for entry in self.execute("query-jobs") if entry["id"] == job]
        self.execute("job-dismiss", {"id": job})
        if "error" in status:
            raise QMPError(f"{command}: {status['error']}")

    def _remember(self, name: str, data: Data) -> None:
        self._note("!!", name, data)
        with self._changed:
            self._events.append(Event(self._count, name, data, time.monotonic()))
            self._count += 1
            self._changed.notify_all()

    def _note(self, way: str, what: str, detail: object) -> None:
        with self._log.open("a") as log:
            log.write(f"{time.monotonic():.3f} {way} {what} {json.dumps(detail, default=str)}\n")


class QMP(Monitor):
    """A QMP session, over a connected socket, which it then owns, or with who listens at a path.

    In the second case UnavailableError says why it can't be had.
    """

    def __init__(self, to: socket.socket | Path, log: Path, timeout: float = 10) -> None:
        super().__init__(log)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        self._listener: asyncio.Task[None] | None = None
        try:
            self._client = self._await(self._connect(to), timeout)
        except BaseException:
            self._stop_loop()
            raise

    def execute(
        self, command: str, arguments: dict[str, object] | None = None, *, timeout: float = 30
    ) -> Any:
        """Run a command and return its answer; raise QMPError when QEMU refuses or is silent."""
        self._note("->", command, arguments)
        try:
            answer = self._await(self._client.execute(command, arguments), timeout)
        except Exception as error:
            self._note("<-", "error", repr(error))
            raise QMPError(f"{command} {arguments}: {error!r}") from error
        self._note("<-", "return", answer)
        return answer

    def call(self, work: Callable[[QMPClient], Coroutine[Any, Any, T]], timeout: float) -> T:
        """Run what is written for `qemu.qmp` itself, in the thread; TimeoutError in the end."""
        return self._await(work(self._client), timeout)

    def close(self) -> None:
        """Hang up and stop the thread; harmless when QEMU has already gone."""
        try:
            self._await(self._disconnect(), 5)
        except Exception as error:  # QEMU may have died in any state
            self._note("--", "disconnect", str(error))
        finally:
            self._stop_loop()

    async def _connect(self, to: socket.socket | Path) -> QMPClient:
        client = QMPClient("harness")
        if isinstance(to, Path):
            await reach(client, str(to))
        else:
            await client.connect(to)
        self._listener = asyncio.create_task(self._listen(client))
        return client

    async def _listen(self, client: QMPClient) -> None:
        with client.listener() as listener:
            async for message in listener:
                self._remember(str(message["event"]), cast(Data, message.get("data", {})))

    async def _disconnect(self) -> None:
        if self._listener:
            self._listener.cancel()
        await self._client.disconnect()

    def _await(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
