"""Two endpoints against each other on a hostile channel."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.protocol.side import Side
from tests.unit.protocol.world import World
from vsocks.protocol.frames import FIRST_HOST_ID
from vsocks.protocol.handshake import Offer, Role

pytestmark = pytest.mark.unit

ROLES = st.sampled_from(list(Role))
SIZES = st.one_of(st.integers(1, 40), st.integers(1, 5000), st.integers(1, 200_000))


def test_a_session_stands_at_once() -> None:
    world = World()
    world.pump()
    assert world.agree()
    assert (world.guest.ups, world.host.ups) == (1, 1)


def test_the_host_is_silent_until_it_hears_something() -> None:
    world = World()
    for _ in range(50):
        world.wait(0.1)
        world.write(Role.HOST)
    assert not world.down.held


def test_a_guest_says_nothing_while_a_host_that_said_goodbye_leaves() -> None:
    """What it writes while the host's end is closed, QEMU never returns."""
    world = World()
    world.pump()
    assert world.host.endpoint.session is not None
    world.host.endpoint.session.goodbye("it is late")
    world.write(Role.HOST)
    world.read(Role.GUEST)
    assert world.guest.lost == ["the peer said goodbye: it is late"]
    for _ in range(9):
        world.write(Role.GUEST)
        assert not world.up.held
        world.wait(0.05)
    world.restart(Role.HOST)
    assert world.settle(0.5)


def test_transfers_leave_every_slot_free() -> None:
    world = World()
    world.pump()
    for _ in range(20):
        world.transfer(20_000)
    for side, first in ((world.guest, 0), (world.host, FIRST_HOST_ID)):
        session = side.endpoint.session
        assert session is not None
        ids = [session.open(target("x", number)).id for number in range(4)]
        assert ids == [first, first + 1, first + 2, first + 3]


def test_both_ends_call_a_stream_the_same() -> None:
    """Also if it was given up before its OPEN had left."""
    world = World(Offer(max_streams=2, window=4096))
    world.pump()
    for number in range(1, 20):
        for opener, letter in ((world.guest, "c"), (world.host, "h")):
            peer = world.side(Role(1 - opener.role))
            connection = world.new_connection()
            assert opener.open(connection, opener is world.guest and number % 2 == 0)
            if number % 3 == 0:
                opener.give_up(connection)
            world.pump()
            labels = (opener.connections[connection].label, peer.connections[connection].label)
            assert labels == (f"{letter}{number}", f"{letter}{number}")
            opener.give_up(connection)
            peer.give_up(connection)
            world.pump()


def test_an_endpoint_says_what_it_is() -> None:
    world = World()
    world.pump()
    opened(world)
    for side in (world.guest, world.host):
        text = repr(side.endpoint)
        assert text.startswith(f"<Endpoint {side.role.name.lower()} inbox=0 <Session ")
        assert "1 of 8 in use" in text
        assert "urgent=0" in text


def target(host: str, port: int) -> Any:
    from vsocks.address import Target

    return Target(host, port)


@given(cut=st.integers(0, 6500), role=ROLES, opener=ROLES)
@settings(max_examples=300)
def test_killed_at_any_byte_of_a_transfer(cut: int, role: Role, opener: Role) -> None:
    """What was written up to the kill is delivered; a new session stands within 2 s."""
    world = World()
    world.pump()
    connection = opened(world, opener)
    world.side(role).post(1, 2000)
    world.side(role).send(connection, 2000)
    world.side(role).post(1, 2000)
    world.write(role)
    world.restart(role, keep_of_output=cut)
    assert world.settle(2.0)
    world.transfer(5000)


def opened(world: World, opener: Role = Role.GUEST) -> int:
    """A stream on which both may send."""
    connection = world.new_connection()
    assert world.side(opener).open(connection)
    world.pump()
    world.side(Role(1 - opener)).accept(connection)
    world.pump()
    return connection


def frames_of(world: World, role: Role, connection: int, sizes: list[int]) -> list[bytes]:
    """The frames in which ``role`` sends so much data, taken out of the channel."""
    frames = []
    for size in sizes:
        assert world.side(role).send(connection, size)
        world.write(role)
        frames.append(bytes(world.outgoing(role).held))
        world.outgoing(role).held.clear()
    return frames


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda a, b, c: a + c, id="a frame is lost"),
        pytest.param(lambda a, b, c: a + a + b + c, id="a frame comes twice"),
        pytest.param(lambda a, b, c: b + a + c, id="frames change places"),
        pytest.param(lambda a, b, c: a + b[:90] + c[90:], id="two frames are spliced"),
        pytest.param(lambda a, b, c: a + b[:50] + b[60:] + c, id="bytes are lost within"),
        pytest.param(lambda a, b, c: a + b[:50] + bytes(5) + b[50:] + c, id="bytes are put in"),
    ],
)
def test_a_gap_in_a_session_ends_it_before_a_wrong_byte(role: Role, damage: Any) -> None:
    world = World()
    world.pump()
    frames = frames_of(world, role, opened(world), [100, 100, 100])
    world.outgoing(role).held += damage(*frames)
    peer = world.side(Role(1 - role))
    world.read(peer.role)
    world.run(9.0)
    assert peer.lost
    assert world.agree()
    world.transfer(3000)


@pytest.mark.parametrize("role", list(Role))
def test_a_frame_of_an_old_session_is_not_taken(role: Role) -> None:
    """Also when its number is right and its stream exists again."""
    world = World()
    world.pump()
    old = frames_of(world, role, opened(world), [100])
    world.restart(Role(1 - role))
    assert world.settle(2.0)
    connection = opened(world)
    frames_of(world, role, connection, [100])
    peer = world.side(Role(1 - role))
    world.outgoing(role).held += old[0]
    world.read(peer.role)
    assert peer.connections[connection].received == 0
    assert peer.lost


@pytest.mark.parametrize("role", list(Role))
def test_a_letter_of_an_old_session_is_not_taken(role: Role) -> None:
    """Neither if it was still in the channel, nor if its sender had it waiting."""
    world = World()
    world.pump()
    side = world.side(role)
    assert side.post(1, 100)
    world.write(role)
    old = bytes(world.outgoing(role).held)
    world.restart(Role(1 - role))
    peer = world.side(Role(1 - role))
    # The new one hears the old letter, and says hello, of which the old one learns only now.
    world.read(peer.role)
    world.write(peer.role)
    for as_datagram in (True, False):
        assert side.post(1, 100, as_datagram)
    world.read(role)
    assert side.lost
    assert world.settle(0.9)
    world.pump()
    assert peer.letters == 0
    world.outgoing(role).held += old
    world.read(peer.role)
    assert peer.letters == 0
    assert peer.lost
    world.run(9.0)
    assert world.agree()
    world.transfer(3000)


@pytest.mark.parametrize("role", list(Role))
def test_letters_that_a_full_channel_did_not_take_in_time_are_lost_and_no_others(
    role: Role,
) -> None:
    world = World(Offer(max_streams=4, window=1 << 20))
    world.pump()
    side, peer = world.side(role), world.side(Role(1 - role))
    connection = opened(world)
    side.send(connection, 1 << 20)
    # All that may be on its way without an acknowledgement is data.
    world.write(role)
    assert all(side.post(1, 100) for _ in range(10))
    world.wait(1.5)
    assert all(side.post(2, 100) for _ in range(10))
    world.pump()
    assert (peer.last_letter[1], peer.last_letter[2]) == (0, 10)
    assert side.endpoint.session is not None
    assert side.endpoint.session.dropped == 10
    assert peer.connections[connection].received == 1 << 20


def test_a_restored_guest_and_a_host_that_went_on() -> None:
    world = World()
    world.pump()
    connection = opened(world)
    world.take_snapshot()
    for _ in range(5):
        for side in (world.guest, world.host):
            side.send(connection, 300)
            side.post(1, 300)
        world.pump()
    world.load_snapshot(0)
    for side in (world.guest, world.host):
        side.send(connection, 300)
        side.post(1, 300)
    assert world.settle(2.0)
    assert world.host.lost
    world.transfer(3000)


OPERATIONS = st.one_of(
    st.tuples(st.just("write"), ROLES, st.sampled_from([70_000, 131_072])),
    st.tuples(st.just("read"), ROLES, SIZES),
    st.tuples(st.just("wait"), st.floats(0.01, 0.6)),
    st.tuples(st.just("sleep"), st.floats(1, 20)),
    st.tuples(st.just("restart"), ROLES, st.one_of(st.none(), SIZES)),
    st.tuples(st.just("lose"), ROLES, SIZES, SIZES),
    st.tuples(st.just("stale"), ROLES, st.binary(max_size=300)),
    st.tuples(st.just("repeat"), ROLES, SIZES),
    st.tuples(st.just("open"), ROLES, st.booleans()),
    st.tuples(st.just("announce"), ROLES, st.integers(0, 3)),
    st.tuples(st.just("accept"), ROLES, st.integers(0, 3)),
    st.tuples(st.just("post"), ROLES, st.integers(0, 3), SIZES, st.booleans()),
    st.tuples(st.just("send"), ROLES, st.integers(0, 3), SIZES),
    st.tuples(st.just("consume"), ROLES, st.integers(0, 3)),
    st.tuples(st.just("end"), ROLES, st.integers(0, 3)),
    st.tuples(st.just("finish"), ROLES, st.integers(0, 3)),
    st.tuples(st.just("reset"), ROLES, st.integers(0, 3)),
    st.tuples(st.just("pump")),
    st.tuples(st.just("pump")),
    st.tuples(st.just("exchange"), SIZES),
    st.tuples(st.just("snapshot")),
    st.tuples(st.just("restore"), SIZES),
)


@given(st.booleans(), st.lists(OPERATIONS, min_size=15, max_size=80))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_channel_does_no_wrong_byte_is_delivered(
    established: bool, operations: list[tuple[Any, ...]]
) -> None:
    """Side checks each byte and each letter; afterwards a healthy channel heals."""
    world = World()
    if established:
        world.pump()
        for role in Role:
            opened(world, role)
    for operation in operations:
        perform(world, *operation)
        assert world.labels_agree()
    # Bytes that were lost from a session that stands may only be noticed by the heartbeat.
    world.run(9.0)
    assert world.agree(), (world.guest.lost, world.host.lost)
    world.give_up_all()
    world.transfer(9000)


def perform(world: World, name: str, *arguments: Any) -> None:
    def recent(back: int) -> int:
        return max(0, world.next_connection - back)

    match name, arguments:
        case "write", (role, space):
            world.write(role, space)
        case "read", (role, size):
            world.read(role, size)
        case (("wait" | "sleep"), (seconds,)):
            world.wait(seconds)
        case "restart", (role, keep):
            world.restart(role, keep)
        case "lose", (role, start, size):
            del world.outgoing(role).held[start : start + size]
        case "stale", (role, junk):
            world.outgoing(role).held[:0] = junk
        case "repeat", (role, size):
            held = world.outgoing(role).held
            held[:0] = held[:size]
        case "open", (role, listen):
            # Only the guest listens.
            world.side(role).open(world.new_connection(), listen and role is Role.GUEST)
        case "announce", (role, back):
            world.side(role).announce(recent(back))
        case "accept", (role, back):
            world.side(role).accept(recent(back))
        case "post", (role, association, size, as_datagram):
            world.side(role).post(association, size, as_datagram)
        case "send", (role, back, size):
            world.side(role).send(recent(back), size)
        case "consume", (role, back):
            world.side(role).consume(recent(back))
        case "end", (role, back):
            world.side(role).end(recent(back))
        case "finish", (role, back):
            world.side(role).finish(recent(back))
        case "reset", (role, back):
            world.side(role).give_up(recent(back))
        case "pump", ():
            world.pump()
        case "exchange", (size,):
            exchange(world, size)
        case "snapshot", ():
            world.take_snapshot()
        case "restore", (keep,):
            world.load_snapshot(keep)


def exchange(world: World, size: int) -> None:
    """Whatever is open gets on, as far as the channel lets it."""
    for side in (world.guest, world.host):
        for connection in list(side.by_stream.values()):
            side.announce(connection)
            side.accept(connection)
            side.send(connection, size)
            side.consume(connection)
            side.post(connection % 4, min(size, 2000))
    world.pump()


@given(chunks=st.lists(st.integers(1, 400), min_size=1, max_size=200))
@settings(max_examples=100)
def test_any_chunking_gives_the_same(chunks: list[int]) -> None:
    world = World(Offer(max_streams=2, window=65536))
    world.pump()
    connection = world.new_connection()
    world.guest.open(connection)
    world.pump()
    world.host.accept(connection)
    world.pump()
    world.guest.send(connection, 30_000)
    world.guest.end(connection)
    world.write(Role.GUEST)
    for size in chunks:
        world.read(Role.HOST, size)
    world.pump()
    tally = world.host.connections[connection]
    assert (tally.received, tally.peer_ended) == (30_000, True)
    assert not world.host.lost


@given(data=st.binary(max_size=2000), role=ROLES)
@settings(max_examples=300)
def test_any_bytes_in_a_session_cost_at_most_the_session(data: bytes, role: Role) -> None:
    world = World()
    world.pump()
    world.side(role).deliver(data, world.now)
    world.run(9.0)
    assert world.agree()
    world.transfer(3000)


# -- sessions that are lost at once --------------------------------------------------------


def meet(host: Side, guest: Side, now: float) -> bool:
    """Let both say all that they have to say now; whether a session stands then."""
    while said := guest.output(now):
        host.deliver(said, now)
        guest.deliver(host.output(now), now)
    return guest.endpoint.session is not None


def test_who_loses_each_session_at_once_gets_fewer_and_an_honest_peer_one_soon() -> None:
    host = Side(Role.HOST, 0, 0.0, Offer())
    for number in range(2000):
        now = number / 100
        meet(host, Side(Role.GUEST, number + 1, now, Offer()), now)
    assert 10 < host.ups < 40

    honest = Side(Role.GUEST, 9999, 20.0, Offer())
    assert any(meet(host, honest, 20.0 + wait / 10) for wait in range(25))
    # It has stood for long: whoever comes next is served at once.
    host.poll(24.0)
    assert meet(host, Side(Role.GUEST, 10000, 24.0, Offer()), 24.0)
