"""What a client wants, whichever protocol it says it in.

Every protocol is a class with the methods of :class:`Dialect`; ``greeting`` finds out which one
a client speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from vsocks.address import IPAddress, Target
    from vsocks.http1.head import RequestHead


@dataclass(frozen=True, slots=True)
class Send:
    """Write ``data`` to the client and go on."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """Write ``data`` (it may be empty), close, and log ``reason``."""

    data: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Connect:
    """The client asks for ``target``: connect, then write what ``reply()`` gives."""

    target: Target


@dataclass(frozen=True, slots=True)
class Bind:
    """The client wants to be connected to: listen, ``reply()``; ``reply()`` again when it was.

    ``target`` is who the client expects.
    """

    target: Target


@dataclass(frozen=True, slots=True)
class UdpAssociate:
    """The client wants to exchange datagrams; ``source`` is where it says it sends them from."""

    source: Target


@dataclass(frozen=True, slots=True)
class Resolve:
    """The client wants an address of ``name`` as what ``reply()`` says is bound."""

    name: str


@dataclass(frozen=True, slots=True)
class ResolveAddress:
    """The client wants the name of ``ip`` as what ``reply()`` says is bound."""

    ip: IPAddress


@dataclass(frozen=True, slots=True)
class Forward:
    """An HTTP request to pass on; ``leftover`` is what has come behind its head."""

    head: RequestHead


@dataclass(frozen=True, slots=True)
class ShowPage:
    """An HTTP request for a page of the proxy's own."""

    head: RequestHead


Request = Connect | Bind | UdpAssociate | Resolve | ResolveAddress | Forward | ShowPage
DialectEvent = Send | Refuse | Request


class Dialect(Protocol):
    """One protocol's server side, from the client's first byte to the last reply."""

    def receive(self, data: bytes) -> list[DialectEvent]:
        """What to do after the client sent ``data``; never raises, whatever the bytes.

        A Refuse or a Request is the last event. What is given after it is kept as leftover.
        """
        ...

    def reply(self, reply: int, bound: Target | None = None, reason: str = "") -> bytes:
        """The answer to the request, for the client; ``reply`` is one of RFC 1928's codes.

        ``reason`` explains a refusal, for protocols that have words.
        """
        ...

    @property
    def is_answered(self) -> bool:
        """Whether the client has had its (last) reply."""
        ...

    @property
    def leftover(self) -> bytes:
        """What the client sent beyond its request."""
        ...
