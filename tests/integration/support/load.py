"""Endless self-verifying transfers through a proxy, to be cut at a bad moment."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from tests.integration.support.transfer import (
    ENDLESS,
    CorruptDataError,
    Received,
    receive_pattern,
    request,
    send_pattern,
)
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from tests.support.socks_messages import Address, RefusedError


class Load:
    """Downloads from `source` and uploads to `sink`, one of each for each pair of stream numbers.

    It runs from construction until the proxy ends it; `join` waits for that.
    """

    def __init__(self, proxy: Address, source: Address, sink: Address, streams: range) -> None:
        self._proxy = proxy
        self._moved = 0
        self._begun = 0
        self._running = len(streams)
        self._news = threading.Condition()
        self._outcomes: list[Any] = []
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(self._upload, sink, stream)
                if stream % 2
                else (self._download, source, stream),
                daemon=True,
            )
            for stream in streams
        ]
        for thread in self._threads:
            thread.start()

    def wait_begun(self, *, deadline: float = DEADLINE) -> None:
        """Wait until every transfer has its connection."""
        with self._news:
            everybody = self._news.wait_for(lambda: self._begun == len(self._threads), deadline)
            assert everybody, f"only {self._begun} of {len(self._threads)} began in {deadline} s"

    def wait_moved(self, count: int, *, deadline: float = DEADLINE) -> int:
        """Wait until `count` bytes have gone through in all, or nothing runs any more."""
        end = time.monotonic() + deadline
        with self._news:
            while self._moved < count and self._running:
                left = end - time.monotonic()
                assert left > 0, f"only {self._moved} of {count} bytes moved in {deadline} s"
                self._news.wait(left)
            return self._moved

    def join(self, *, deadline: float = DEADLINE) -> list[Received]:
        """What the downloads received, after every transfer has ended.

        Transfers that never began are not in it. Raises what was wrong with any of them: one
        that hangs, or a wrong byte.
        """
        for thread in self._threads:
            thread.join(deadline)
            assert not thread.is_alive(), f"a transfer still hung {deadline} s later"
        for outcome in self._outcomes:
            if isinstance(outcome, CorruptDataError | TimeoutError):
                raise outcome
        return [outcome for outcome in self._outcomes if isinstance(outcome, Received)]

    def _run(self, transfer: Any, target: Address, stream: int) -> None:
        outcome: object
        try:
            with socks.connect(self._proxy, target) as sock:
                request(sock, stream, ENDLESS)
                with self._news:
                    self._begun += 1
                    self._news.notify_all()
                outcome = transfer(sock, stream)
        except (OSError, EOFError, RefusedError, CorruptDataError) as error:
            outcome = error
        with self._news:
            self._outcomes.append(outcome)
            self._running -= 1
            self._news.notify_all()

    def _download(self, sock: socket.socket, stream: int) -> Received:
        return receive_pattern(sock, stream, moved=self._count)

    def _upload(self, sock: socket.socket, stream: int) -> None:
        send_pattern(sock, stream, ENDLESS, moved=self._count)

    def _count(self, size: int) -> None:
        with self._news:
            self._moved += size
            self._news.notify_all()
