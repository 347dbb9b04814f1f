"""A peer that speaks something else is told of once, with its first bytes."""

from __future__ import annotations

import pytest

from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig
from vsocks.protocol.events import Notice, SessionUp
from vsocks.protocol.handshake import Role
from vsocks.protocol.stranger import PATIENCE

pytestmark = pytest.mark.unit

BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"
OUT = memoryview(bytearray(2 * MAX_OUTPUT))


def bytes_come(endpoint: Endpoint, data: bytes, now: float) -> list[object]:
    endpoint.buffer()[: len(data)] = data
    return list(endpoint.received(len(data), now))


def notices(endpoint: Endpoint, until: float) -> list[str]:
    """What it tells when it is asked as often as it wants to be."""
    told: list[str] = []
    while (due := endpoint.next_poll) is not None and due <= until:
        told += [event.text for event in endpoint.poll(due) if isinstance(event, Notice)]
        endpoint.write_into(OUT, due)
    return told


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("pieces", [[BANNER], [BANNER[:1], BANNER[1:]], [b"$ "], [BANNER] * 9])
def test_it_is_told_once(role: Role, pieces: list[bytes]) -> None:
    endpoint = Endpoint(EndpointConfig(role), 0.0)
    for at, piece in enumerate(pieces):
        assert bytes_come(endpoint, piece, at / 10) == []
    assert notices(endpoint, PATIENCE - 0.1) == []
    [told] = notices(endpoint, 60.0)
    assert repr(b"".join(pieces)[:24]) in told
    assert told.isprintable()
    bytes_come(endpoint, BANNER, 61.0)
    assert notices(endpoint, 120.0) == []


@pytest.mark.parametrize("role", Role)
def test_silence_is_no_stranger(role: Role) -> None:
    assert notices(Endpoint(EndpointConfig(role), 0.0), 60.0) == []


def test_a_peer_that_shakes_hands_late_is_none() -> None:
    host = Endpoint(EndpointConfig(Role.HOST), 0.0)
    guest = Endpoint(EndpointConfig(Role.GUEST), 0.0)
    bytes_come(host, b"\0" * 100, 0.0)
    events: list[object] = []
    for now in (1.0, 1.1, 1.2, 1.3, 1.4):
        for one, other in ((guest, host), (host, guest)):
            size = one.write_into(OUT, now)
            events += bytes_come(other, bytes(OUT[:size]), now)
    assert any(isinstance(event, SessionUp) for event in events)
    assert not [event for event in events if isinstance(event, Notice)]
    bytes_come(host, b"", 2.0)
    told = [each for at in (6.0, 7.0) for each in host.poll(at) if isinstance(each, Notice)]
    assert told == []
