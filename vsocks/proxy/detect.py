"""One port for all protocols: a client's first byte tells which it speaks."""

from __future__ import annotations

from string import ascii_letters
from typing import TYPE_CHECKING, Final

from vsocks.proxy.http import HttpDialect
from vsocks.proxy.requests import Refuse
from vsocks.proxy.socks4 import Socks4
from vsocks.proxy.socks5 import Socks5

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.address import Target
    from vsocks.proxy.requests import Dialect, DialectEvent
    from vsocks.proxy.users import Users

#: From a client's first byte to the protocol's name, and to who speaks it. An HTTP request begins
#: with its method, and no method of any use begins with anything but a letter; an empty line may
#: stand before it (RFC 9112, section 2.2).
_DIALECTS: Final[dict[int, tuple[str, Callable[[Users, int], Dialect]]]] = {
    5: ("SOCKS5", lambda users, _: Socks5(users)),
    4: ("SOCKS4", lambda users, _: Socks4(users)),
    **dict.fromkeys(b"\r" + ascii_letters.encode(), ("HTTP", HttpDialect)),
}


class Detector:
    """A ``Dialect`` that becomes the client's at the first byte.

    ``protocol`` is its name for the log ("SOCKS5", "SOCKS4", "HTTP"; "" while unknown). ``dialect``
    is the object that speaks it, for what only that one can do.
    """

    def __init__(self, users: Users, max_head_size: int) -> None:
        """``max_head_size`` bounds the head of an HTTP request, in bytes."""
        self._users = users
        self._max_head_size = max_head_size
        self._is_refused = False
        self.protocol = ""
        self.dialect: Dialect | None = None

    def receive(self, data: bytes) -> list[DialectEvent]:
        """What to do after the client sent ``data``. Never raises, whatever the bytes."""
        if self._is_refused or not data:
            return []
        if self.dialect is None:
            if data[0] not in _DIALECTS:
                return [self._refuse(data[0])]
            self.protocol, make = _DIALECTS[data[0]]
            self.dialect = make(self._users, self._max_head_size)
        return self.dialect.receive(data)

    def reply(self, reply: int, bound: Target | None = None, reason: str = "") -> bytes:
        """The dialect's reply; raises RuntimeError if there is no request to reply to."""
        if self.dialect is None:
            raise RuntimeError("no request awaits a reply")
        return self.dialect.reply(reply, bound, reason)

    @property
    def is_answered(self) -> bool:
        """Whether the client has had its last reply."""
        return self.dialect is not None and self.dialect.is_answered

    @property
    def leftover(self) -> bytes:
        """What the client sent beyond its request."""
        return b"" if self.dialect is None else self.dialect.leftover

    def _refuse(self, first: int) -> Refuse:
        """Close without an answer: an unknown protocol would not understand one."""
        self._is_refused = True
        return Refuse(b"", f"the client speaks neither SOCKS nor HTTP: first byte {first:#04x}")
