"""A peer that floods the channel keeps nobody else waiting, nor the daemon from ending."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.integration.support.alone import lone_guest, lone_host
from tests.integration.support.flooder import FLOODS, VALID, Batch, Flooder
from tests.integration.support.pair import SESSION_UP
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from vsocks.address import Target, encode_address
from vsocks.protocol.handshake import Role
from vsocks.protocol.messages import Kind

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

FLOOD = pytest.mark.parametrize("batch", FLOODS, ids=lambda batch: batch.__name__)
FORWARDING = r"forwarding 127\.0\.0\.1:(\d+) to "


@FLOOD
def test_a_host_serves_its_forwards_and_ends(tmp_path: Path, batch: Batch) -> None:
    there = Target("192.0.2.1", 80)
    with (
        lone_host(tmp_path, "--forward", f"127.0.0.1:0:{there}") as (host, channel),
        Flooder(Role.GUEST, channel) as guest,
    ):
        port = int(host.wait_for_log(FORWARDING)[1])
        guest.begin(batch)
        host.wait_for_log(SESSION_UP)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
                if batch in VALID:
                    guest.wait_heard(bytes([Kind.OPEN]))
                    guest.wait_heard(encode_address(there))
                else:  # nobody is there to connect it: it is told so
                    client.settimeout(DEADLINE)
                    assert read_to_end(client) == b""
        host.stop()


@FLOOD
def test_a_guest_serves_its_clients_and_ends(tmp_path: Path, batch: Batch) -> None:
    with (
        lone_guest(tmp_path) as (guest, proxy, channel),
        Flooder(Role.HOST, channel) as host,
    ):
        host.begin(batch)
        guest.wait_for_log(SESSION_UP)
        for _ in range(3):
            with socket.create_connection(proxy, DEADLINE) as client:
                socks.greet(client)
        guest.stop()


def read_to_end(client: socket.socket) -> bytes:
    """What comes before the end, be it by a reset."""
    try:
        return client.recv(100)
    except ConnectionResetError:
        return b""
