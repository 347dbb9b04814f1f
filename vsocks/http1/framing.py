"""Where a message's body ends, according to its head (RFC 9112, section 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from vsocks.http1.body import Body, ClosingBody, LengthBody
from vsocks.http1.chunks import ChunkedBody
from vsocks.http1.errors import HttpError, show

if TYPE_CHECKING:
    from vsocks.http1.head import RequestHead, ResponseHead

# Digits and nothing else: int() would also take signs, spaces, underscores and digits of other
# scripts. No more of them than fit into 63 bits, which is what others count with.
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_NO_BODY: Final = frozenset({204, 304})


def content_length(head: RequestHead | ResponseHead) -> int | None:
    """The value of Content-Length; one that is merely repeated counts once.

    Raises HttpError for anything but one number.
    """
    values = head.values("content-length")
    if not values:
        return None
    members = {member.strip(" \t") for value in values for member in value.split(",")}
    length = members.pop()
    if members or not _LENGTH.fullmatch(length):
        raise HttpError(400, f"Content-Length is no single number: {show(', '.join(values))}")
    return int(length)


def is_chunked(head: RequestHead | ResponseHead) -> bool:
    """Whether the body is chunked: one Transfer-Encoding, and nothing but chunked in it."""
    return [value.lower() for value in head.values("transfer-encoding")] == ["chunked"]


def has_coding(head: RequestHead | ResponseHead) -> bool:
    """Whether the body is encoded for its transfer.

    "identity" is the word of an older HTTP for a body that is not (RFC 2616, section 3.6).
    """
    return any(coding != "identity" for coding in head.tokens("transfer-encoding"))


def request_body(head: RequestHead) -> Body:
    """The body of a request. Raises HttpError for anything ambiguous."""
    length = content_length(head)
    if not head.values("transfer-encoding"):
        return LengthBody(length or 0)
    if length is not None:
        raise HttpError(400, "the request has both Content-Length and Transfer-Encoding")
    if head.version < (1, 1):
        raise HttpError(400, "a request of HTTP/1.0 can't have Transfer-Encoding")
    if not is_chunked(head):
        raise HttpError(501, "the request's Transfer-Encoding is not just chunked")
    return ChunkedBody()


def has_no_body(method: str, status: int) -> bool:
    """Whether a response never has a body, whatever its headers say."""
    return method == "HEAD" or status < 200 or status in _NO_BODY


def response_body(method: str, head: ResponseHead) -> Body:
    """The body of the response to a request with ``method``. Raises HttpError.

    An unknown transfer coding can only end with the connection, which a server that gives a length
    besides does not mean to end.
    """
    if has_no_body(method, head.status):
        return LengthBody(0)
    if is_chunked(head):
        return ChunkedBody(padded=True)
    length = content_length(head)
    if has_coding(head):
        if length is not None:
            raise HttpError(502, "it has Content-Length and a Transfer-Encoding that is unknown")
        return ClosingBody()
    return ClosingBody() if length is None else LengthBody(length)
