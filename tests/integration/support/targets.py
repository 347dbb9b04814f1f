"""TCP servers on loopback for the proxy to reach: a thread accepts, a thread serves each client."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from tests.integration.support.transfer import CorruptDataError
from tests.integration.support.waiting import DEADLINE
from tests.support.socks_messages import Address

Serve = Callable[[socket.socket], Any]
OUTCOMES = 4096


class Target:
    """A server that runs `serve` for each connection, and closes the connection after it.

    What `serve` returns (unless it is None), and any OSError, EOFError or CorruptDataError it
    raises, can be taken with `outcome()`.
    """

    def __init__(self, serve: Serve, host: str = "127.0.0.1", port: int = 0) -> None:
        self._serve = serve
        self._listener = socket.create_server((host, port), family=_family(host), backlog=256)
        self.address: Address = self._listener.getsockname()[:2]
        self._accepted = 0
        self._marks: dict[Any, threading.Event] = {}
        self._outcomes: queue.Queue[Any] = queue.Queue(OUTCOMES)
        self._lock = threading.Lock()
        self._live: dict[socket.socket, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.address[1]

    def outcome(self, *, deadline: float = DEADLINE) -> Any:
        """What became of the connection that ended first of those not asked for yet."""
        try:
            return self._outcomes.get(timeout=deadline)
        except queue.Empty:
            raise AssertionError(f"no connection to the target ended in {deadline} s") from None

    def accepted(self) -> int:
        """How many connections there have been up to now.

        Connections are accepted in their order, so when one that we make ourselves has been,
        none from before is still on its way.
        """
        with socket.socket(self._listener.family) as mark:
            mark.bind((self.address[0], 0))
            seen = self._marks[mark.getsockname()] = threading.Event()
            mark.connect(self.address)
            assert seen.wait(DEADLINE), "the target accepts no more"
        return self._accepted

    def wait_idle(self, *, deadline: float = DEADLINE) -> list[Any]:
        """The outcomes not asked for yet, once every connection has ended."""
        self.accepted()
        with self._lock:
            live = list(self._live.values())
        for thread in live:
            thread.join(deadline)
            assert not thread.is_alive(), f"a connection to the target was open after {deadline} s"
        outcomes: list[Any] = []
        while not self._outcomes.empty():
            outcomes.append(self._outcomes.get_nowait())
        return outcomes

    def close(self) -> None:
        """Stop listening, cut what is open, and wait for the threads."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() would not
        self._thread.join(DEADLINE)
        self._listener.close()
        with self._lock:
            live = dict(self._live)
        for connection, thread in live.items():
            with contextlib.suppress(OSError):  # it may have ended by itself
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return
            if mark := self._marks.pop(peer, None):
                connection.close()
                mark.set()
                continue
            self._accepted += 1
            connection.settimeout(DEADLINE)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            with self._lock:
                self._live[connection] = thread
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        try:
            outcome = self._serve(connection)
        except (OSError, EOFError, CorruptDataError) as error:
            outcome = error
        finally:
            connection.close()
            with self._lock:
                del self._live[connection]
        if outcome is not None:
            self._outcomes.put_nowait(outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


@contextmanager
def closed_port(host: str = "127.0.0.1") -> Iterator[Address]:
    """An address where connections are refused: bound, so that nobody takes it, and deaf."""
    with socket.socket(_family(host)) as sock:
        sock.bind((host, 0))
        yield sock.getsockname()[:2]


@contextmanager
def silent_port(host: str = "127.0.0.1") -> Iterator[Address]:
    """An address where connecting neither succeeds nor fails.

    Linux drops the SYN for a listening socket whose backlog is full, so we fill it.
    """
    with socket.socket(_family(host)) as listener:
        listener.bind((host, 0))
        listener.listen(0)
        address: Address = listener.getsockname()[:2]
        fillers: list[socket.socket] = []
        try:
            for _ in range(8):
                fillers.append(filler := socket.socket(_family(host)))
                filler.settimeout(0.3)
                try:
                    filler.connect(address)
                except TimeoutError:
                    break
            else:
                raise AssertionError("the backlog never filled up")
            yield address
        finally:
            for filler in fillers:
                filler.close()
