"""Two endpoints on a hostile channel, in memory and in simulated time."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.unit.protocol.side import Side
from vsocks.protocol.endpoint import MAX_OUTPUT
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.session import Session

__all__ = ["Side", "Wire", "World"]


@dataclass
class Wire:
    """One direction of the channel."""

    held: bytearray = field(default_factory=bytearray)
    capacity: int = 1 << 20


class World:
    """A guest, a host and the channel between them."""

    def __init__(self, offer: Offer = Offer(max_streams=4, window=4096)) -> None:  # noqa: B008
        self.offer = offer
        self.now = 100.0
        self.seeds = 0
        self.up = Wire()
        self.down = Wire()
        self.next_connection = 0
        self.saved: tuple[Side, int, bytes, bytes] | None = None
        self.guest = self.start(Role.GUEST)
        self.host = self.start(Role.HOST)

    def start(self, role: Role) -> Side:
        self.seeds += 1
        return Side(role, self.seeds, self.now, self.offer)

    def side(self, role: Role) -> Side:
        return self.guest if role is Role.GUEST else self.host

    def outgoing(self, role: Role) -> Wire:
        return self.up if role is Role.GUEST else self.down

    def incoming(self, role: Role) -> Wire:
        return self.down if role is Role.GUEST else self.up

    def restart(self, role: Role, keep_of_output: int | None = None) -> None:
        """Kill a daemon; of what it has written only the first bytes may have got through."""
        if keep_of_output is not None:
            del self.outgoing(role).held[keep_of_output:]
        side = self.start(role)
        if role is Role.GUEST:
            self.guest = side
        else:
            self.host = side

    def take_snapshot(self) -> None:
        """Save the VM: the guest, and what is in the channel on its side."""
        self.saved = (self.guest, len(self.guest.log), bytes(self.up.held), bytes(self.down.held))

    def load_snapshot(self, keep: int) -> None:
        """Go back to it, while the host goes on; ``keep`` bytes that were under way survive."""
        if self.saved is not None:
            guest, calls, up, down = self.saved
            self.guest = guest.as_it_was(calls)
            self.up.held[keep:] = up
            self.down.held[:0] = down

    def write(self, role: Role, space: int = 2 * MAX_OUTPUT) -> None:
        wire = self.outgoing(role)
        if len(wire.held) < wire.capacity:
            wire.held += self.side(role).output(self.now, space)

    def read(self, role: Role, size: int | None = None) -> None:
        wire = self.incoming(role)
        data = bytes(wire.held[:size])
        del wire.held[: len(data)]
        self.side(role).deliver(data, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for side in (self.guest, self.host):
            side.poll(self.now)

    def pump(self) -> None:
        """Move everything that moves without time passing."""
        for _ in range(1000):
            self.write(Role.GUEST)
            self.write(Role.HOST)
            if not self.up.held and not self.down.held:
                return
            self.read(Role.HOST)
            self.read(Role.GUEST)
        raise AssertionError("the two never come to rest")

    def settle(self, seconds: float) -> bool:
        """Let time pass on a healthy channel until both agree on a session."""
        deadline = self.now + seconds
        while self.now < deadline:
            self.pump()
            if self.agree():
                return True
            self.wait(0.05)
        return False

    def run(self, seconds: float) -> None:
        """Let time pass on a healthy channel."""
        deadline = self.now + seconds
        while self.now < deadline:
            self.pump()
            self.wait(0.05)
        self.pump()

    def agree(self) -> bool:
        """Whether a session stands on both sides, and is the same."""
        guest, host = self.guest.endpoint.session, self.host.endpoint.session
        if not isinstance(guest, Session) or not isinstance(host, Session):
            return False
        return guest._nonces == host._nonces[::-1]

    def labels_agree(self) -> bool:
        """Whether both sides call each stream the same."""
        guest, host = self.guest.connections, self.host.connections
        return all(guest[shared].label == host[shared].label for shared in guest.keys() & host)

    def give_up_all(self) -> None:
        """Reset every stream, so that all slots are free."""
        for side in (self.guest, self.host):
            for connection in list(side.connections):
                side.give_up(connection)
            self.pump()

    def new_connection(self) -> int:
        self.next_connection += 1
        return self.next_connection

    def transfer(self, size: int) -> None:
        """Whole exchanges on a session that stands: streams of all kinds, and letters."""
        self.transfer_by(Role.GUEST, size)
        self.transfer_by(Role.HOST, size)
        self.transfer_by(Role.GUEST, size, listen=True)
        for side in (self.guest, self.host):
            letters = self.side(Role(1 - side.role)).letters
            assert side.post(9, size)
            self.pump()
            assert self.side(Role(1 - side.role)).letters == letters + 1

    def transfer_by(self, opener: Role, size: int, *, listen: bool = False) -> None:
        """A stream that is opened, used both ways, ended and closed."""
        connection = self.new_connection()
        assert self.side(opener).open(connection, listen)
        self.pump()
        asked = self.side(Role(1 - opener))
        asked.announce(connection)
        asked.accept(connection)
        self.pump()
        assert self.side(opener).connections[connection].reply == 0
        for side in (self.guest, self.host):
            assert side.send(connection, size)
            side.end(connection)
        for _ in range(size // 1024 + 8):
            self.pump()
            self.guest.consume(connection)
            self.host.consume(connection)
        for side in (self.guest, self.host):
            tally = side.connections[connection]
            assert tally.received == size
            assert tally.peer_ended
            side.finish(connection)
        self.pump()
