"""One request and its response on their way through the proxy: bytes in, bytes out.

    request   head, body ─────────────────> server
    response  client <── 1xx …, head, body
                          │ 101, if the client has asked for it
                          └──> tunnel: whatever comes, both ways

What both sides send is read only as far as is needed to know where it ends. How to use it, with
a task for each direction once the server is connected::

    exchange = Exchange(head)                      # of a Forward event
    stream = await connect(exchange.target)        # failed: dialect.reply(…)
    await stream.send(exchange.request)

    # from the client; ``data`` is first what the dialect has as leftover
    while not exchange.is_request_complete:
        pieces, used = exchange.from_client(data)  # then read more; b"" → client_ended()
        await stream.send(*pieces)                 # data[used:] is kept: the next request

    # from the server
    while not exchange.is_complete:
        if data := await stream.receive():
            pieces, _ = exchange.from_server(data)
            await client.send(*pieces)
        else:
            exchange.server_ended()

    # HttpError from any of these: client.send(page) if there is one, else reset the client
    page = exchange_failure(exchange, error.status, error.reason)    # proxy.pages

When it ``is_complete`` the direction from the client is cancelled, if it is still under way. Then
``client_stays`` says whether the next request may be read from the client (what was kept comes
first), and ``server_stays`` whether it may be sent to the same server. As soon as it
``is_tunnel``, what was kept from the client and all that comes goes through ``from_client``
again, and a side's end is passed on to the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from vsocks.http1.errors import HttpError
from vsocks.http1.framing import request_body
from vsocks.http1.hop_by_hop import encode_request
from vsocks.http1.reading import MAX_HEAD_SIZE
from vsocks.http1.response import Pieces, ResponseFlow, ResponseState
from vsocks.http1.uri import parse_resource

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.http1.head import RequestHead

#: Methods that may be sent twice without harm (RFC 9110, section 9.2.1).
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Passed(NamedTuple):
    """What to send on, in order (slices of what was given, mostly), and how much was used."""

    pieces: Pieces
    used: int


class Exchange:
    """One request for a server, and what comes back. Holds no more than one incomplete head.

    After an HttpError of any method only ``is_answered`` and ``method`` are of use.
    """

    def __init__(self, head: RequestHead, max_head_size: int = MAX_HEAD_SIZE) -> None:
        """Raises HttpError if this is nothing to pass on; a dialect's Forward always is."""
        resource = parse_resource(head.target)
        self._head = head
        self._body = request_body(head)
        self._has_body = not self._body.is_complete
        self._response = ResponseFlow(head, max_head_size)
        #: Whether the client has a part of the response, so that it can't be told of a failure.
        self.is_answered = False
        self.method = head.method
        self._client_ended = False
        self._server_ended = False
        #: Where the request goes.
        self.target: Target = resource.target
        #: The head of the request, for the server.
        self.request: bytes = encode_request(head, resource)

    @property
    def is_request_complete(self) -> bool:
        """Whether the server has all of the request, and what follows isn't for it."""
        return self._body.is_complete and not self.is_tunnel

    @property
    def is_tunnel(self) -> bool:
        """Whether both sides have gone over to another protocol."""
        return self._response.state is ResponseState.TUNNEL

    @property
    def is_complete(self) -> bool:
        """Whether the client has all of the response; of a tunnel, whether both sides ended."""
        if self.is_tunnel:
            return self._client_ended and self._server_ended
        return self._response.state is ResponseState.COMPLETE

    @property
    def client_stays(self) -> bool:
        """Whether the client's connection is good for another request now."""
        return self._response.state is ResponseState.COMPLETE and self._response.client_stays

    @property
    def server_stays(self) -> bool:
        """Whether the server's connection is good for another request of this client now."""
        return self.client_stays and self._response.server_stays

    @property
    def is_repeatable(self) -> bool:
        """Whether the request may be sent again, by a new Exchange over a new connection.

        For a server that ends a connection just when the next request is on its way.
        """
        return self._head.method in _SAFE and not self._has_body and not self._response.is_begun

    def from_client(self, data: memoryview) -> Passed:
        """What of ``data`` goes to the server; what isn't used is not of this request.

        Raises HttpError if the body is malformed.
        """
        if self.is_tunnel:
            return Passed([data], len(data))
        used = self._body.receive(data)
        return Passed([data[:used]] if used else [], used)

    def client_ended(self) -> None:
        """The client sends no more. Raises HttpError if its request is incomplete."""
        self._client_ended = True
        if not self._body.is_complete:
            raise HttpError(400, "the client has ended within its request")

    def from_server(self, data: memoryview) -> Passed:
        """What of ``data`` goes to the client; what isn't used nobody has asked for.

        Raises HttpError if the response is malformed.
        """
        pieces: Pieces = []
        try:
            used = self._response.receive(data, pieces, is_request_complete=self._body.is_complete)
        except HttpError as error:
            raise HttpError(502, f"the server's answer is at fault: {error.reason}") from None
        self.is_answered = self._response.state is not ResponseState.HEAD
        return Passed(pieces, used)

    def server_ended(self) -> None:
        """The server sends no more. Raises HttpError if its response is incomplete."""
        self._server_ended = True
        self._response.end()
