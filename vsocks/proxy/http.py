"""What an HTTP client says to its proxy, up to the end of a request's head.

    CONNECT host:port        a tunnel, which may carry anything
    GET http://host/path     a request to pass on
    GET /path                a page of the proxy's own

One instance serves one request. If another request follows on the connection, it gets an instance
of its own, which is first given what came after the last request.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final

from vsocks.http1.errors import HttpError, show_authority
from vsocks.http1.exchange import Exchange
from vsocks.http1.framing import request_body
from vsocks.http1.hop_by_hop import max_forwards
from vsocks.http1.reading import MAX_HEAD_SIZE, RequestReader
from vsocks.http1.uri import is_absolute, parse_authority
from vsocks.proxy.local import last_hop_answer
from vsocks.proxy.pages import failure_page, status_for
from vsocks.proxy.requests import Connect, Forward, Refuse, ShowPage
from vsocks.proxy.users import NO_USERS, Users, show_name
from vsocks.reply import Reply

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.http1.head import RequestHead
    from vsocks.proxy.requests import DialectEvent, Request

_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class HttpDialect:
    """One request of an HTTP client. Implements ``Dialect``.

    Until the request's head is whole it holds at most ``max_head_size`` bytes. Afterwards it keeps
    what it is given as ``leftover``: read no more from the client before the reply.
    """

    def __init__(self, users: Users = NO_USERS, max_head_size: int = MAX_HEAD_SIZE) -> None:
        self._users = users
        self._reader = RequestReader(max_head_size)
        self._head: RequestHead | None = None
        self._is_refused = False
        self._is_answered = False
        self._leftover = bytearray()

    def receive(self, data: bytes) -> list[DialectEvent]:
        """What to do after the client sent ``data``. Never raises, whatever the bytes."""
        if self._is_refused:
            return []
        if self._head is not None:
            self._leftover += data
            return []
        head = None
        try:
            head, used = self._reader.receive(memoryview(data))
            if head is None:
                return []
            event = self._judge(head)
        except HttpError as error:
            page = failure_page(error.status, error.reason, method=head.method if head else "")
            event = Refuse(page, error.reason)
        if isinstance(event, Refuse):
            self._is_refused = True
        else:
            self._head = head
            self._leftover += data[used:]
        return [event]

    def reply(self, reply: int, bound: Target | None = None, reason: str = "") -> bytes:
        """The answer for the client; a refusal is a page that says ``reason``.

        Empty for a forwarded request that was connected: its server will answer. Raises
        RuntimeError if no request awaits an answer.
        """
        head = self._take_request()
        if reply != Reply.SUCCEEDED:
            return failure_page(status_for(reply), reason, method=head.method)
        return _ESTABLISHED if head.method == "CONNECT" else b""

    def busy(self, reason: str = "") -> bytes:
        """The answer when the proxy has no resources for the request; replaces ``reply()``."""
        return failure_page(503, reason, method=self._take_request().method)

    @property
    def is_answered(self) -> bool:
        """Whether the client has had its reply."""
        return self._is_answered

    @property
    def leftover(self) -> bytes:
        """What the client sent after the head of its request."""
        return bytes(self._leftover)

    def _take_request(self) -> RequestHead:
        if self._head is None or self._is_answered:
            raise RuntimeError("no request awaits a reply")
        self._is_answered = True
        return self._head

    def _judge(self, head: RequestHead) -> Request | Refuse:
        """The client's request. Raises HttpError if it can't be carried out."""
        # None is no error even in HTTP/1.1: the target of such a request says all that it would.
        if len(head.values("host")) > 1:
            raise HttpError(400, "the request has several Host headers")
        has_body = not request_body(head).is_complete
        if head.method != "CONNECT" and (head.target.startswith("/") or head.target == "*"):
            return ShowPage(head)
        self._authenticate(head)
        if head.method == "CONNECT":
            if has_body:
                raise HttpError(400, "a CONNECT request has no body")
            return Connect(parse_authority(head.target))
        if not is_absolute(head.target):
            target = show_authority(head.target)
            raise HttpError(400, f"the target {target} is neither a URI nor a path")
        if max_forwards(head) == 0:
            return Refuse(last_hop_answer(head), f"{head.method} is to go no further")
        # What can't be passed on is refused here, not when the caller comes to it.
        Exchange(head)
        return Forward(head)

    def _authenticate(self, head: RequestHead) -> None:
        """Raises HttpError unless the client is one of the users, if there are any."""
        if not self._users.required:
            return
        presented = head.values("proxy-authorization")
        if not presented:
            raise HttpError(407, "the client has given no name")
        credentials = _parse_basic(presented[0]) if len(presented) == 1 else None
        if credentials is None:
            raise HttpError(407, "the client has given its name in a way other than Basic")
        name, password = credentials
        if not self._users.check(name, password):
            raise HttpError(407, f"no such user with that password: {show_name(name)}")


def _parse_basic(value: str) -> tuple[bytes, bytes] | None:
    """Name and password of ``Basic BASE64`` (RFC 7617), or None."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = binascii.a2b_base64(encoded.strip(" ").encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    name, colon, password = pair.partition(b":")
    return (name, password) if colon else None
