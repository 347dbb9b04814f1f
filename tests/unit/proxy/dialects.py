"""What is true of every dialect: how a client's bytes are cut makes no difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import strategies as st

from vsocks.address import Target
from vsocks.proxy.requests import Bind, Dialect, DialectEvent, Refuse, Send
from vsocks.proxy.users import NO_USERS, User, Users
from vsocks.reply import Reply

NAMED = Users([User("bob", "builder"), User("ann", "oh:colons")])
users = st.sampled_from([NO_USERS, NAMED])
BOUND = Target("198.51.100.7", 40000)

hosts = st.ip_addresses().map(str) | st.from_regex(r"[a-z0-9._-]{1,255}", fullmatch=True)
ports = st.integers(0, 0xFFFF)
targets = st.builds(Target, hosts, ports)
replies = st.lists(st.sampled_from(list(Reply)), min_size=2, max_size=2)


def hear(dialect: Dialect, pieces: Iterable[bytes]) -> list[DialectEvent]:
    """All events that come of the pieces."""
    return [event for piece in pieces for event in dialect.receive(piece)]


def trickle(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


def cut(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data in pieces, some of them empty."""
    at = sorted(min(place, len(data)) for place in cuts)
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


places = st.lists(st.integers(0, 700), max_size=20)


def requested(events: list[DialectEvent]) -> bool:
    """Whether the client got so far that it awaits a reply."""
    return bool(events) and not isinstance(events[-1], Send | Refuse)


def check_any_split(
    make: Callable[[], Dialect], data: bytes, cuts: list[int], codes: list[Reply]
) -> list[DialectEvent]:
    """Whole or in pieces, the same comes of it; returns the events."""
    whole, pieces = make(), make()
    events = whole.receive(data)
    assert hear(pieces, cut(data, cuts)) == events
    assert all(isinstance(event, Send) for event in events[:-1])
    assert all(event.reason.isprintable() for event in events if isinstance(event, Refuse))
    assert not whole.is_answered
    assert pieces.leftover == whole.leftover
    assert data.endswith(whole.leftover)
    if requested(events):
        answers = answer(whole, events[-1], codes)
        assert answer(pieces, events[-1], codes) == answers
        assert whole.is_answered
        assert pieces.is_answered
    else:
        assert not whole.leftover
    return events


def answer(dialect: Dialect, request: DialectEvent, codes: list[Reply]) -> list[bytes]:
    """The replies, one after the other until it was the last."""
    said = []
    for code in codes[: 2 if isinstance(request, Bind) else 1]:
        assert not dialect.is_answered
        said.append(dialect.reply(code, BOUND, "why not"))
        if code != Reply.SUCCEEDED:
            break
    return said
