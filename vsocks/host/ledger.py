"""What stands between a guest and its targets now, and what has been counted so far.

A connection costs an entry here from its begin to its end. Its bytes are counted by what moves
them, and read when somebody asks.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from vsocks.audit.record import Kind
from vsocks.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Collection

    from vsocks.address import Target
    from vsocks.mux.incoming import StreamObserver
    from vsocks.mux.relay import Relay
    from vsocks.reply import DialError

#: How an attempt ended that did not fail, and one that nobody waits for any more.
CONNECTED: Final = "connected"
ABANDONED: Final = "abandoned"
#: All ways in which an attempt ends: their number is bounded, whatever a guest says.
RESULTS: Final[dict[int, str]] = {reply: reply.name.lower().replace("_", "-") for reply in Reply}
RESULTS[Reply.SUCCEEDED] = CONNECTED

#: What an entry is of.
KINDS: Final = (Kind.CONNECT, Kind.BIND, Kind.FORWARD, Kind.ASSOCIATION)

#: No two connections of this process have the same.
_ids = itertools.count(1)


class Mover(Protocol):
    """What moves a connection's bytes."""

    label: str
    #: Bytes from the other side, and to it.
    read: int
    written: int

    def abort(self, reason: str, /) -> None:
        """End it before its time."""


class Entry:
    """One connection; a StreamObserver, who passes on what it is told to another one."""

    __slots__ = (
        "_began",
        "_then",
        "account",
        "address",
        "client",
        "id",
        "is_connected",
        "kind",
        "ledger",
        "mover",
        "target",
    )

    def __init__(
        self,
        ledger: Ledger,
        kind: Kind,
        target: Target | None,
        client: Target | None = None,
        then: StreamObserver | None = None,
    ) -> None:
        self.id = next(_ids)
        self.ledger = ledger
        self.kind = kind
        self.account = ledger.accounts[kind]
        #: What was asked for.
        self.target = target
        #: Where it leads to, once it is connected, and who has come to a forwarded port.
        self.address: Target | None = None
        self.client = client
        self.is_connected = False
        self.mover: Mover | None = None
        self._began = time.monotonic()
        self._then = then

    @property
    def seconds(self) -> float:
        """Its age."""
        return time.monotonic() - self._began

    @property
    def sent(self) -> int:
        """Bytes that the guest has sent and the other side has taken."""
        return self.mover.written if self.mover is not None else 0

    @property
    def received(self) -> int:
        """Bytes that the guest has been sent."""
        return self.mover.read if self.mover is not None else 0

    def on_connected(self, peer: Target | None) -> None:
        """It is connected."""
        self.connected(peer)
        if self._then is not None:
            self._then.on_connected(peer)

    def connected(self, peer: Target | None) -> None:
        """The same, for one that nobody observes beside us."""
        self.address = peer
        self.is_connected = True
        self.account.results[CONNECTED] += 1

    def on_refused(self, error: DialError) -> None:
        """It could not be connected."""
        self.refused(error.reply)
        if self._then is not None:
            self._then.on_refused(error)

    def refused(self, reply: int) -> None:
        """The same, by a reply, which may be the guest's: any number."""
        self.ledger.forget(self, RESULTS.get(reply, RESULTS[Reply.GENERAL_FAILURE]))

    def on_over(self, relay: Relay, why: str) -> None:
        """It has ended."""
        self.over()
        if self._then is not None:
            self._then.on_over(relay, why)

    def over(self) -> None:
        """The same, without a relay."""
        self.ledger.forget(self, None if self.is_connected else ABANDONED)


class Account:
    """What has been counted of one kind."""

    __slots__ = ("received", "results", "sent")

    def __init__(self) -> None:
        #: Ends of attempts, by one of RESULTS or ABANDONED.
        self.results: Counter[str] = Counter()
        #: Bytes of those that are over, sent by the guest and received by it.
        self.sent = 0
        self.received = 0


class Ledger:
    """All connections of one machine."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self.accounts = {kind: Account() for kind in KINDS}
        #: What a bound of this daemon's has refused, whatever its target.
        self.refusals: Counter[Kind] = Counter()

    @property
    def entries(self) -> Collection[Entry]:
        """Those that stand, or are being made."""
        return list(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, number: int) -> Entry | None:
        """The one of that id."""
        return self._entries.get(number)

    def begin(
        self,
        kind: Kind,
        target: Target | None,
        client: Target | None = None,
        then: StreamObserver | None = None,
    ) -> Entry:
        """One of KINDS is asked for; the entry is to be told how it ends."""
        entry = Entry(self, kind, target, client, then)
        self._entries[entry.id] = entry
        return entry

    def forget(self, entry: Entry, result: str | None) -> None:
        """It is over; ``result`` is how the attempt ended, unless that was told."""
        if self._entries.pop(entry.id, None) is None:
            return
        account = entry.account
        if result is not None:
            account.results[result] += 1
        account.sent += entry.sent
        account.received += entry.received

    def standing(self) -> Counter[Kind]:
        """How many stand, or are being made, by kind."""
        return Counter(entry.kind for entry in self._entries.values())

    def moved(self) -> dict[Kind, tuple[int, int]]:
        """Bytes that the guest has sent and received so far, by kind."""
        moved = {kind: (each.sent, each.received) for kind, each in self.accounts.items()}
        for entry in self._entries.values():
            sent, received = moved[entry.kind]
            moved[entry.kind] = sent + entry.sent, received + entry.received
        return moved
