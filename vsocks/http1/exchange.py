"""One request and its response passing through the proxy: bytes in, bytes out.

    request   head, body ─────────────────> server
    response  client <── 1xx …, head, body
                          │ 101, if the client has asked for it
                          └──> tunnel: any bytes, both ways

What either side sends is parsed only as far as is needed to find its end. How it is used, once the
server is connected (guest/forwarder.py does)::

    exchange = Exchange(head)                    # of a Forward
    server.send(exchange.request)

    # from the client, until is_request_complete; at its end client_ended()
    pieces, used = exchange.from_client(data)    # data[used:] belongs to the next request
    server.send(*pieces)

    # from the server, until is_complete; at its end server_ended()
    pieces, used = exchange.from_server(data)
    client.send(*pieces)

    # HttpError from any of these: send the page if there is one, else reset the client
    page = exchange_failure(exchange, error.status, error.reason)    # proxy/pages.py

When it ``is_complete``, ``client_stays`` says whether the client's connection may bring another
request (beginning with what was kept of the last data), and ``server_stays`` whether that may go
to the same server. As soon as it ``is_tunnel``, what was kept from the client and all that follows
goes through ``from_client`` again, and the end of either side is passed on to the other.
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

#: Methods that do the same when they are sent twice (RFC 9110, section 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Passed(NamedTuple):
    """What to send on, in order (mostly slices of what was given), and how much was used."""

    pieces: Pieces
    used: int


class Exchange:
    """One request for a server, and what comes back. Holds no more than one incomplete head.

    After an HttpError of any method only ``is_answered`` and ``method`` are of use.
    """

    def __init__(self, head: RequestHead, max_head_size: int = MAX_HEAD_SIZE) -> None:
        """Raises HttpError if this can't be forwarded; a dialect's Forward always can."""
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
        """Whether the server has the whole request; what follows isn't for it."""
        return self._body.is_complete and not self.is_tunnel

    @property
    def is_tunnel(self) -> bool:
        """Whether both sides have switched to another protocol."""
        return self._response.state is ResponseState.TUNNEL

    @property
    def is_complete(self) -> bool:
        """Whether the client has the whole response; for a tunnel, whether both sides ended."""
        if self.is_tunnel:
            return self._client_ended and self._server_ended
        return self._response.state is ResponseState.COMPLETE

    @property
    def client_stays(self) -> bool:
        """Whether the client's connection can take another request now."""
        return self._response.state is ResponseState.COMPLETE and self._response.client_stays

    @property
    def server_stays(self) -> bool:
        """Whether the server's connection can take another request of this client now."""
        return self.client_stays and self._response.server_stays

    @property
    def is_repeatable(self) -> bool:
        """Whether the request may be sent again, by a new Exchange over a new connection.

        For a server that ends a connection just when the next request is on its way.
        """
        is_idempotent = self._head.method in _IDEMPOTENT
        return is_idempotent and not self._has_body and self.is_unanswered

    @property
    def is_unanswered(self) -> bool:
        """Whether the server has not sent a byte."""
        return not self._response.is_begun

    def from_client(self, data: memoryview) -> Passed:
        """What of ``data`` goes to the server; what isn't used belongs to the next request.

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
        """What of ``data`` goes to the client; what isn't used was not asked for.

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
