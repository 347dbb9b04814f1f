"""What a SOCKS client says before its bytes flow: the server's side, bytes in, events out.

SOCKS5 (RFC 1928), CONNECT only, without authentication::

    version ──5──> greeting ──> request ──Connect──> connecting ──reply()──> done
       │              │            │
       └──────────────┴────────────┴──Refuse──> refused

Each state is a method, named ``_state_…``. It takes from the buffer and gives an
event when all its bytes are there, and None while some are missing. What comes next:
SOCKS4 and HTTP begin with another first byte, so they branch off in ``_state_version``;
username and password (RFC 1929) is one more state between greeting and request.
"""

from collections.abc import Callable

from vsocks.address import AddressError, BadAddress, Target, encode_address, parse_address
from vsocks.proxy.requests import Connect, Event, Refuse, Send
from vsocks.reply import Reply

_VERSION = 5
_NO_AUTHENTICATION = 0
_NO_ACCEPTABLE_METHOD = 0xFF
_CONNECT = 1
_NOWHERE = Target("0.0.0.0", 0)  # noqa: S104 - what RFC 1928 replies carry when there is no address


def encode_reply(reply: Reply, bound: Target | None = None) -> bytes:
    """A SOCKS5 reply; ``bound`` is the address that the connection comes from, if known."""
    return bytes((_VERSION, reply, 0)) + encode_address(bound or _NOWHERE)


class Handshake:
    """One client's handshake.

    Until Connect it holds at most one incomplete message (262 bytes). Afterwards it keeps
    what it is given as ``leftover``: read no more from the client before the reply.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._state: Callable[[], Event | None] = self._state_version

    def receive(self, data: bytes) -> list[Event]:
        """What to do after the client sent ``data``. Never raises, whatever the bytes."""
        self._buffer += data
        events = []
        while (event := self._state()) is not None:
            events.append(event)
        return events

    def reply(self, reply: Reply, bound: Target | None = None) -> bytes:
        """The answer to the Connect, for the client. To be asked for once."""
        if self._state != self._state_connecting:
            raise RuntimeError("no request awaits a reply")
        self._state = self._state_done
        return encode_reply(reply, bound)

    @property
    def is_answered(self) -> bool:
        """Whether the client has had its reply."""
        return self._state == self._state_done

    @property
    def leftover(self) -> bytes:
        """What the client sent beyond its request, to be relayed after a good reply."""
        waiting = self._state in (self._state_connecting, self._state_done)
        return bytes(self._buffer) if waiting else b""

    def _state_version(self) -> Event | None:
        """The first byte tells the protocol."""
        if not self._buffer:
            return None
        version = self._buffer[0]
        if version != _VERSION:
            # To an unknown protocol there is no answer that it would understand.
            return self._refuse(b"", f"the client speaks no SOCKS5: first byte {version:#04x}")
        self._state = self._state_greeting
        return self._state_greeting()

    def _state_greeting(self) -> Event | None:
        """Version, number of methods, methods."""
        if len(self._buffer) < 2 or len(self._buffer) < 2 + self._buffer[1]:
            return None
        methods = self._take(2 + self._buffer[1])[2:]
        if _NO_AUTHENTICATION not in methods:
            return self._refuse(
                bytes((_VERSION, _NO_ACCEPTABLE_METHOD)),
                f"the client offers no method without authentication: [{methods.hex(' ')}]",
            )
        self._state = self._state_request
        return Send(bytes((_VERSION, _NO_AUTHENTICATION)))

    def _state_request(self) -> Event | None:
        """Version, command, reserved, address."""
        if self._buffer and self._buffer[0] != _VERSION:
            return self._refuse(
                encode_reply(Reply.GENERAL_FAILURE),
                f"a request of SOCKS version {self._buffer[0]}",
            )
        try:
            parsed = parse_address(self._buffer, 3)
        except BadAddress as error:
            return self._refuse(encode_reply(Reply.GENERAL_FAILURE), str(error))
        except AddressError as error:
            return self._refuse(encode_reply(Reply.ADDRESS_TYPE_NOT_SUPPORTED), str(error))
        if parsed is None:
            return None
        target, end = parsed
        # Judged only when the request is whole: closing a socket that still has
        # unread bytes resets it, and the client might never see the reply.
        command = self._take(end)[1]
        if command != _CONNECT:
            return self._refuse(
                encode_reply(Reply.COMMAND_NOT_SUPPORTED), f"command {command} is not supported"
            )
        self._state = self._state_connecting
        return Connect(target)

    def _state_connecting(self) -> None:
        """The caller connects; what the client sends meanwhile stays in the buffer."""

    def _state_done(self) -> None:
        """The bytes are the target's now."""

    def _state_refused(self) -> None:
        """Nothing that the client still says matters."""
        self._buffer.clear()

    def _refuse(self, data: bytes, reason: str) -> Refuse:
        self._state = self._state_refused
        return Refuse(data, reason)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken
