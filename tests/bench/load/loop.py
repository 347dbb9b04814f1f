"""Many sockets in one thread, at the least cost: tasks are generators that say what they wait for.

asyncio would do, were its own time per connection not as long as that of the daemons measured.

A task belongs to one socket. It tries first and yields READ or WRITE when it would block; it may be
resumed without cause, and then finds out by trying again. On a *blocking* socket the same task
never yields at all, so `finish` runs it to its end in place.
"""

import select
import socket
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Self, TypeVar

READ = select.EPOLLIN
WRITE = select.EPOLLOUT

T = TypeVar("T")
Task = Generator[int, None, T]


class Loop:
    """Runs tasks until none is left. Closes a task's socket when the task ends."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._tasks: dict[int, tuple[socket.socket, Task[None], Callable[[], None]]] = {}
        self._masks: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sock, task, _ in self._tasks.values():
            task.close()
            sock.close()
        self._epoll.close()

    def start(
        self, sock: socket.socket, task: Task[None], then: Callable[[], None] = lambda: None
    ) -> None:
        """Let `task` run on `sock`, its first step at once; call `then` when both are done with."""
        sock.setblocking(False)
        self._tasks[sock.fileno()] = (sock, task, then)
        self._step(sock.fileno())

    def run(self, seconds: float | None = None) -> None:
        """Return when every task has ended; raise what a task raises.

        `seconds` bounds the whole of it: TimeoutError.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._tasks:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            events = self._epoll.poll(left)
            if not events:
                raise TimeoutError(f"{len(self._tasks)} transfers unfinished after {seconds} s")
            for fd, _ in events:
                if fd in self._tasks:  # a task stepped earlier in this batch may have ended it
                    self._step(fd)

    def _step(self, fd: int) -> None:
        sock, task, then = self._tasks[fd]
        try:
            wanted = next(task)
        except StopIteration:
            del self._tasks[fd]
            self._masks.pop(fd, None)
            sock.close()  # which takes it out of the epoll set, too
            then()
            return
        current = self._masks.get(fd)
        if current is None:
            self._epoll.register(fd, wanted)
        elif current != wanted:
            self._epoll.modify(fd, wanted)
        self._masks[fd] = wanted


def finish(task: Task[T]) -> T:
    """The result of a task on a blocking socket."""
    try:
        next(task)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("the task would block: its socket is not a blocking one")
