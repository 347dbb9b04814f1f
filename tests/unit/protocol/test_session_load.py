"""What a session tells of what it has on its way."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import Peer
from vsocks.protocol.any_session import Load
from vsocks.protocol.handshake import Role
from vsocks.protocol.messages import Ack, Ping, Pong
from vsocks.protocol.original import OriginalSession
from vsocks.protocol.parcels import Associate

pytestmark = pytest.mark.unit


def test_a_silent_peer_is_asked_and_that_is_measured(host: Peer) -> None:
    host.hear()
    assert host.session.load.delay is None
    host.now = 1.5
    host.session.poll(host.now)
    [ping] = [each for each in host.hear() if isinstance(each, Ping)]
    host.now = 1.75
    host.say(Pong(ping.token))
    assert host.session.load.delay == 0.25
    host.now = 3.0
    host.say(Pong(ping.token))
    assert host.session.load.delay == 0.25, "nothing was asked"


def test_bytes_are_on_their_way_until_they_are_acknowledged(host: Peer) -> None:
    host.hear()
    first = host.session.load
    assert first.unacked > 0
    assert first.limit >= 64 * 1024
    host.now = 0.5
    host.say(Ack(first.unacked))
    assert host.session.load.unacked == 0
    assert host.session.load.delay == 0.5


def test_parcels_wait_until_they_have_left(host: Peer) -> None:
    host.session.post(Associate(1), host.now)
    host.session.post(Associate(2), host.now)
    assert host.session.load.parcels == 2
    host.hear()
    assert host.session.load.parcels == 0


def test_on_the_original_wire_nobody_knows() -> None:
    session = OriginalSession(Role.HOST, max_streams=4, window=4096)
    assert session.load == Load(0, 0, 0, None)
