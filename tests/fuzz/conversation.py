"""What the targets for dialects share: a client's bytes to two of one, whole and in pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.fuzz.feed import Feed
from vsocks.address import Target
from vsocks.proxy.requests import Bind, Dialect, DialectEvent, Refuse, Send
from vsocks.proxy.users import NO_USERS, User, Users
from vsocks.reply import Reply

NAMED = Users([User("bob", "builder")])
BOUND = Target("198.51.100.7", 40000)


def begin(data: bytes) -> tuple[Users, list[bytes]]:
    """Who may use the proxy, and what a client says, in pieces."""
    feed = Feed(data)
    users = NAMED if feed.below(2) else NO_USERS
    sizes = [1 + feed.below(40) for _ in range(feed.below(8))]
    return users, pieces(feed.take(len(data)), sizes)


def pieces(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


def talk(make: Callable[[], Dialect], parts: list[bytes]) -> tuple[list[DialectEvent], Dialect]:
    """The events, and the dialect that got the pieces, which awaits replies if it was asked."""
    whole, in_pieces = make(), make()
    events = whole.receive(b"".join(parts))
    heard = [event for part in parts for event in in_pieces.receive(part)]
    assert heard == events, "how the bytes were cut makes a difference"
    assert in_pieces.leftover == whole.leftover
    assert b"".join(parts).endswith(whole.leftover)
    for event in events:
        assert not isinstance(event, Refuse) or event.reason.isprintable()
    assert all(isinstance(event, Send) for event in events[:-1]), "something comes after the end"
    if not is_requested(events):
        assert not whole.leftover
    return events, in_pieces


def is_requested(events: list[DialectEvent]) -> bool:
    return bool(events) and not isinstance(events[-1], Send | Refuse)


def finish(dialect: Dialect, events: list[DialectEvent]) -> list[bytes]:
    """Good replies, as many as the request has."""
    assert is_requested(events)
    said = []
    for _ in range(2 if isinstance(events[-1], Bind) else 1):
        assert not dialect.is_answered
        said.append(dialect.reply(Reply.SUCCEEDED, BOUND))
    assert dialect.is_answered
    return said


def holds_little(make: Callable[[], Dialect], parts: list[bytes], longest: int) -> None:
    """Until the request is whole there is less in the buffer than the longest message."""
    dialect = make()
    for part in parts:
        if is_requested(dialect.receive(part)):
            return
        assert len(dialect._buffer) < longest  # type: ignore[attr-defined]
