"""Back in step within two seconds, whatever length of frame each side takes."""

from __future__ import annotations

import pytest

from tests.unit.protocol.test_endpoint import opened
from tests.unit.protocol.world import Side, World
from vsocks.protocol.handshake import Offer, Role

pytestmark = pytest.mark.unit


def world(guest_frame: int, host_frame: int) -> World:
    made = World(Offer(max_streams=4, window=200_000))
    made.guest = Side(Role.GUEST, 1, made.now, Offer(4, 200_000, guest_frame))
    made.host = Side(Role.HOST, 2, made.now, Offer(4, 200_000, host_frame))
    made.pump()
    return made


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("guest_frame", "host_frame"), [(4096, 65535), (65535, 4096), (65535, 65535)]
)
@pytest.mark.parametrize("cut", [5, 20_000, 60_000])
def test_a_side_that_dies_inside_a_long_frame(
    role: Role, guest_frame: int, host_frame: int, cut: int
) -> None:
    """Section 1: a new session within 2 s, also when the two take frames of different length."""
    it = world(guest_frame, host_frame)
    assert it.agree()
    connection = opened(it)
    it.side(role).send(connection, 200_000)
    it.write(role)
    del it.outgoing(role).held[cut:]
    it.read(Role(1 - role))
    fresh = Side(role, 9, it.now, it.side(role).offer)
    if role is Role.GUEST:
        it.guest = fresh
    else:
        it.host = fresh
    assert it.settle(2.0)
