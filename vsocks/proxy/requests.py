"""What clients can request, in whichever protocol.

Every protocol is a class with the methods of :class:`Dialect`; ``detect.py`` finds out which one a
client speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vsocks.address import IPAddress, Target
    from vsocks.http1.head import RequestHead


@dataclass(frozen=True, slots=True)
class Send:
    """Write ``data`` to the client, and read on."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """Write ``data`` (it may be empty), close, and log ``reason``."""

    data: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to ``target``, then write what ``reply()`` gives."""

    target: Target


@dataclass(frozen=True, slots=True)
class Bind:
    """Listen for a connection from ``target``: ``reply()`` once listening, and once it has come.

    ``target`` is the address that the client expects.
    """

    target: Target


@dataclass(frozen=True, slots=True)
class UdpAssociate:
    """Relay datagrams; ``source`` is the address that the client claims to send from."""

    source: Target


@dataclass(frozen=True, slots=True)
class Resolve:
    """Look up an address of ``name``; it goes into ``reply()`` as the bound address."""

    name: str


@dataclass(frozen=True, slots=True)
class ResolveAddress:
    """Look up the name of ``ip``; it goes into ``reply()`` as the bound address."""

    ip: IPAddress


@dataclass(frozen=True, slots=True)
class Forward:
    """Forward an HTTP request; the dialect's ``leftover`` is what came after its head."""

    head: RequestHead


@dataclass(frozen=True, slots=True)
class ShowPage:
    """Answer an HTTP request for one of the proxy's own pages."""

    head: RequestHead


Request = Connect | Bind | UdpAssociate | Resolve | ResolveAddress | Forward | ShowPage
DialectEvent = Send | Refuse | Request


class Dialect(Protocol):
    """The server side of one protocol, from a client's first byte to the last reply."""

    def receive(self, data: bytes) -> list[DialectEvent]:
        """What to do now that the client has sent ``data``; never raises, whatever the bytes.

        A Refuse or a Request is the last event. What is given after it is kept as ``leftover``.
        """
        ...

    def reply(self, reply: int, bound: Target | None = None, reason: str = "") -> bytes:
        """The answer to the request, for the client; ``reply`` is one of RFC 1928's codes.

        ``reason`` explains a refusal, for protocols that have words.
        """
        ...

    @property
    def is_answered(self) -> bool:
        """Whether the client has had its last reply."""
        ...

    @property
    def leftover(self) -> bytes:
        """What the client sent after its request."""
        ...
