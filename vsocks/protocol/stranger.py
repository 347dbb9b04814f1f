"""Telling people that whoever is at the other end of a channel speaks something else.

After a restart, too, there are bytes that mean nothing to us, but then a handshake follows soon.
"""

from __future__ import annotations

from typing import Final

from vsocks.protocol.handshake import Role

#: Seconds that a handshake may take from the first byte on.
PATIENCE: Final = 5.0
#: Bytes that people are shown.
_SHOWN: Final = 24
_PEER: Final = {Role.HOST: "guest", Role.GUEST: "host"}


class Stranger:
    """The first bytes of one opening of a channel, until a session has stood or they are told."""

    def __init__(self, role: Role) -> None:
        """``role`` is ours."""
        self._peer = _PEER[role]
        self._first = b""
        self._is_over = False
        #: When notice() has something to say, if nothing else happens.
        self.due: float | None = None

    def heard(self, data: memoryview, now: float) -> None:
        """Bytes came that are no part of a session."""
        if self._is_over or not data:
            return
        if self.due is None:
            self.due = now + PATIENCE
        self._first += bytes(data[: _SHOWN - len(self._first)])

    def met(self) -> None:
        """A hello came, or a session stands: it is no stranger."""
        self._is_over, self.due = True, None

    def notice(self, now: float) -> str | None:
        """What people should know, once."""
        if self.due is None or now < self.due:
            return None
        self.met()
        return (
            f"bytes come, but no vsocks {self._peer} has shaken hands for {PATIENCE:g} s: does "
            f"another program have the other end? They begin with {self._first!r}"
        )
