"""What the SOCKS dialects have in common: a state machine over a buffer, and their replies.

Each state is a method, named ``_state_…``. When all its bytes have arrived, it takes them from the
buffer and returns an event; while some are missing it returns None.
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
    """A ``Dialect`` as a state machine; a subclass has the states and encodes the replies.

    Until the request is whole, a state refuses a message that grows too long. Afterwards what
    comes is kept as ``leftover``: read at most one more piece from the client before the last
    reply.
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

        A Bind has two: the address that listens, then the one that came. A failure is the last.
        Raises RuntimeError if no request awaits a reply. SOCKS has no place for ``reason``.
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
        """What the client sent after its request, to be relayed after a success."""
        return bytes(self._buffer) if self._state == self._state_requested else b""

    @abstractmethod
    def _state_first(self) -> DialectEvent | None:
        """The client's first message."""

    @abstractmethod
    def _encode_reply(self, reply: int, bound: Target | None) -> bytes:
        """The bytes of a reply; ``reply`` is one of ``Reply``."""

    def _state_requested(self) -> None:  # noqa: B027 - there is nothing to do
        """The caller has the request; what the client sends meanwhile stays in the buffer."""

    def _state_refused(self) -> None:
        """Ignore whatever the client still sends."""
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
