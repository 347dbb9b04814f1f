"""The relay that makes a port slow, late, or cuts it, between two sockets of ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.relay import Relay
from harness.targets import payload
from tests.integration.support.waiting import DEADLINE
from tests.support.receiving import receive_all, receive_exactly

pytestmark = pytest.mark.integration

DATA = payload(100_003)


class Port:
    """What listens as QEMU does, and takes one connection at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(DEADLINE)
        self._listener.bind(str(path))
        self._listener.listen()

    def accept(self) -> socket.socket:
        taken, _ = self._listener.accept()
        taken.settimeout(DEADLINE)
        return taken

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    port = Port(tmp_path / "port")
    yield port
    port.close()


def connect(relay: Relay) -> socket.socket:
    daemon = socket.socket(socket.AF_UNIX)
    daemon.settimeout(DEADLINE)
    daemon.connect(str(relay.path))
    return daemon


def test_what_is_slow_and_late_arrives_whole(tmp_path: Path, port: Port) -> None:
    with (
        Relay(tmp_path / "relay", port.path, rate=1_000_000, delay=0.01) as relay,
        connect(relay) as daemon,
        port.accept() as guest,
    ):
        daemon.sendall(DATA)
        assert receive_exactly(guest, len(DATA)) == DATA
        guest.sendall(DATA)
        assert receive_exactly(daemon, len(DATA)) == DATA


def test_the_end_of_one_is_the_end_of_the_other(tmp_path: Path, port: Port) -> None:
    with Relay(tmp_path / "relay", port.path) as relay:
        with connect(relay) as daemon, port.accept() as guest:
            daemon.close()
            assert guest.recv(1) == b""
        with connect(relay) as daemon, port.accept() as guest:
            guest.close()
            assert daemon.recv(1) == b""


@pytest.mark.parametrize("cut", [0, 1, 4096, 4097, 100_002])
def test_it_is_cut_after_so_many_bytes_and_the_next_one_passes(
    tmp_path: Path, port: Port, cut: int
) -> None:
    with Relay(tmp_path / "relay", port.path) as relay:
        with connect(relay) as daemon, port.accept() as guest:
            relay.cut_after(cut)
            guest.sendall(DATA)
            assert receive_all(daemon) == DATA[:cut]
        with connect(relay) as daemon, port.accept() as guest:
            guest.sendall(DATA)
            assert receive_exactly(daemon, len(DATA)) == DATA
        assert relay.cuts == 1
