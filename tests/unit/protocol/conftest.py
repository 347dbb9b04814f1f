"""The two peers of a session."""

from __future__ import annotations

import pytest

from tests.unit.protocol.peer import Peer
from vsocks.protocol.handshake import Role


@pytest.fixture
def guest() -> Peer:
    """The peer of a host."""
    return Peer(Role.HOST)


@pytest.fixture
def host() -> Peer:
    """The peer of a guest."""
    return Peer(Role.GUEST)
