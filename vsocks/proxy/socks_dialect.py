"""What the SOCKS dialects have in common: a state machine over a buffer, and replies that are due.

Each state is a method, named ``_state_…``. It takes from the buffer and gives an event when all
its bytes are there, and None while some are missing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from vsocks.proxy.requests import Bind, Refuse
from vsocks.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.address import Target
    from vsocks.proxy.requests import DialectEvent, Request

_CODES: frozenset[int] = frozenset(Reply)


class SocksDialect(ABC):
    """A ``Dialect`` by states; a subclass says which, and what its replies look like.

    Until the request is whole a state refuses rather than let its message grow without an end.
    Afterwards what comes is kept as ``leftover``: read no more from the client than one piece
    before the last reply.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._state: Callable[[], DialectEvent | None] = self._state_first
        self._replies_due = 0

    def receive(self, data: bytes) -> list[DialectEvent]:
        """What to do after the client sent ``data``. Never raises, whatever the bytes."""
        self._buffer += data
        events = []
        while (event := self._state()) is not None:
            events.append(event)
        return events

    def reply(self, reply: int, bound: Target | None = None, reason: str = "") -> bytes:
        """The answer to the request, for the client.

        A Bind has two: who listens, then who came. Anything but a success is the last.
        Raises RuntimeError when no request awaits one. ``reason`` has no place in SOCKS.
        """
        if not self._replies_due:
            raise RuntimeError("no request awaits a reply")
        self._replies_due = self._replies_due - 1 if reply == Reply.SUCCEEDED else 0
        return self._encode_reply(reply if reply in _CODES else Reply.GENERAL_FAILURE, bound)

    @property
    def is_answered(self) -> bool:
        """Whether the client has had its last reply."""
        return self._state == self._state_requested and not self._replies_due

    @property
    def leftover(self) -> bytes:
        """What the client sent beyond its request, to be relayed after a good reply."""
        return bytes(self._buffer) if self._state == self._state_requested else b""

    @abstractmethod
    def _state_first(self) -> DialectEvent | None:
        """The client's first message."""

    @abstractmethod
    def _encode_reply(self, reply: int, bound: Target | None) -> bytes:
        """A reply in the protocol's bytes; ``reply`` is one of ``Reply``."""

    def _state_requested(self) -> None:  # noqa: B027 - there is nothing to do
        """It is the caller's turn; what the client sends meanwhile stays in the buffer."""

    def _state_refused(self) -> None:
        """Nothing that the client still says matters."""
        self._buffer.clear()

    def _pass_on(self, request: Request) -> Request:
        self._state = self._state_requested
        self._replies_due = 2 if isinstance(request, Bind) else 1
        return request

    def _refuse(self, data: bytes, reason: str) -> Refuse:
        self._state = self._state_refused
        return Refuse(data, reason)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
