"""A response on its way to the client.

head ──1xx──> head …
  ├──> body ──> complete
  └──101──> tunnel
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from vsocks.http1.body import ClosingBody, LengthBody
from vsocks.http1.errors import HttpError
from vsocks.http1.framing import is_chunked, response_body
from vsocks.http1.hop_by_hop import client_stays, encode_response, server_stays, wants_upgrade
from vsocks.http1.reading import ResponseReader

if TYPE_CHECKING:
    from vsocks.http1.body import Body
    from vsocks.http1.head import RequestHead, ResponseHead

Pieces = list[bytes | memoryview]

_SWITCHING_PROTOCOLS = 101


class ResponseState(Enum):
    """How much of the response has arrived."""

    HEAD = auto()
    BODY = auto()
    COMPLETE = auto()
    TUNNEL = auto()


class ResponseFlow:
    """Passes on the response to one request, until it is complete."""

    def __init__(self, request: RequestHead, max_head_size: int) -> None:
        self._request = request
        self._max_head_size = max_head_size
        self._reader = ResponseReader(max_head_size)
        self._body: Body = LengthBody(0)
        self._unchunked = False
        self.state = ResponseState.HEAD
        #: Whether the server has sent anything.
        self.is_begun = False
        #: Whether the client, and the server, may keep the connection. They were told so.
        self.client_stays = client_stays(request)
        self.server_stays = client_stays(request)

    def receive(self, data: memoryview, pieces: Pieces, *, is_request_complete: bool) -> int:
        """Add to ``pieces`` what goes to the client for ``data``; returns how much was used.

        Raises HttpError.
        """
        used = 0
        self.is_begun = self.is_begun or bool(data)
        while used < len(data) and self.state is not ResponseState.COMPLETE:
            rest = data[used:]
            match self.state:
                case ResponseState.HEAD:
                    head, taken = self._reader.receive(rest)
                    if head is not None:
                        pieces += self._begin(head, is_request_complete)
                case ResponseState.BODY:
                    taken = self._take_body(rest, pieces)
                case ResponseState.TUNNEL:
                    pieces.append(rest)
                    taken = len(rest)
            used += taken
        if used < len(data):
            # It would be taken for the answer to the next request.
            self.server_stays = False
        return used

    def end(self) -> None:
        """The server sends no more. Raises HttpError if the response is incomplete."""
        self.server_stays = False
        if self.state is ResponseState.HEAD:
            how = "within the head of its response" if self.is_begun else "without a response"
            raise HttpError(502, f"the server has closed the connection {how}")
        if self.state is ResponseState.BODY:
            if not self._body.end():
                raise HttpError(502, "the server has closed the connection within its response")
            self.state = ResponseState.COMPLETE

    def _begin(self, head: ResponseHead, is_request_complete: bool) -> list[bytes]:
        """The head for the client, if it is to get it."""
        if head.status == _SWITCHING_PROTOCOLS:
            if not (wants_upgrade(self._request) and is_request_complete):
                raise HttpError(502, "it changes to a protocol that nobody has asked for")
            self.state = ResponseState.TUNNEL
            return [encode_response(head, self._request.method, close=False)]
        if head.status < 200:
            self._reader = ResponseReader(self._max_head_size)
            # HTTP/1.0 has nothing of the kind (RFC 9110, section 15.2).
            is_known = self._request.version >= (1, 1)
            return [encode_response(head, self._request.method, close=False)] if is_known else []
        return [self._begin_final(head, is_request_complete)]

    def _begin_final(self, head: ResponseHead, is_request_complete: bool) -> bytes:
        self._body = response_body(self._request.method, head)
        self._unchunked = self._request.version < (1, 1) and is_chunked(head)
        self.server_stays = self.server_stays and server_stays(head)
        # A server that answers before it has all of the request may leave the rest unread. The
        # rest, if the client sends it at all, can't be told from its next request.
        if not is_request_complete or isinstance(self._body, ClosingBody):
            self.client_stays = False
        encoded = encode_response(
            head, self._request.method, close=not self.client_stays, unchunked=self._unchunked
        )
        # Last, so that a head which is found to be at fault leaves the response incomplete.
        self.state = ResponseState.COMPLETE if self._body.is_complete else ResponseState.BODY
        return encoded

    def _take_body(self, data: memoryview, pieces: Pieces) -> int:
        content: list[memoryview] = []
        used = self._body.receive(data, content if self._unchunked else None)
        if not self._unchunked:
            pieces.append(data[:used])
        elif content:
            pieces.append(b"".join(content))
        if self._body.is_complete:
            self.state = ResponseState.COMPLETE
        return used
