"""A stream whose reader has stopped holds up itself alone, and loses nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import StalledSink, echo, sink, source
from tests.integration.support.pair import Pair
from tests.integration.support.transfer import Received, receive_pattern, request, send_pattern
from tests.support import socks
from tests.support.receiving import receive_exactly

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

STALLED_SIZE = 16_000_000
"""More than the window of a stream and the pipe hold."""

BULK = 64_000_000


@pytest.mark.parametrize("stalled", [1, 40])
def test_stalled_readers_beside_a_download(pair: Pair, serve: StartTarget, stalled: int) -> None:
    target = serve(source)
    with ExitStack() as stack:
        idle = []
        for stream in range(stalled):
            sock = stack.enter_context(socks.connect(pair.proxy, target.address))
            request(sock, stream, STALLED_SIZE)
            receive_exactly(sock, 8)
            idle.append(sock)
        with socks.connect(pair.proxy, target.address) as running:
            request(running, 1000, BULK)
            assert receive_pattern(running, 1000) == Received(1000, BULK, "eof")
        for stream, sock in enumerate(idle[:3]):  # a few of them will do
            assert receive_pattern(sock, stream, start=8) == Received(stream, STALLED_SIZE, "eof")


def _more_than_sockets_hold() -> int:
    """So much that an upload is stalled indeed: sockets grow up to what the system allows."""
    limits = (Path(f"/proc/sys/net/ipv4/tcp_{kind}mem").read_text() for kind in "rw")
    # One socket on each side of either daemon.
    return STALLED_SIZE + 2 * sum(int(limit.split()[-1]) for limit in limits)


def _upload(sock: socket.socket, stream: int, length: int) -> None:
    request(sock, stream, length)
    send_pattern(sock, stream, length)
    sock.shutdown(socket.SHUT_WR)


def test_a_stalled_target_beside_an_upload(pair: Pair, serve: StartTarget) -> None:
    stalled_sink, size = StalledSink(), _more_than_sockets_hold()
    stalled_target, target = serve(stalled_sink), serve(sink)
    with (
        socks.connect(pair.proxy, stalled_target.address) as stalled,
        socks.connect(pair.proxy, target.address) as running,
    ):
        uploading = threading.Thread(target=_upload, args=(stalled, 1, size))
        uploading.start()
        _upload(running, 2, BULK)
        assert target.outcome() == Received(2, BULK, "eof")
        assert uploading.is_alive(), "the stalled upload was swallowed whole: nothing held it back"
        stalled_sink.go.set()
        assert stalled_target.outcome() == Received(1, size, "eof")
        uploading.join()


@pytest.mark.parametrize("layout", ["unix-guest-listens", "serial"])
def test_an_echo_beside_bulk_both_ways(
    start_pair: StartPair, serve: StartTarget, layout: str
) -> None:
    """Both directions full at once is where two writers that don't read would lock up."""
    pair = start_pair(layout)
    size = BULK if layout != "serial" else BULK // 8
    echo_target, source_target, sink_target = serve(echo), serve(source), serve(sink)
    with (
        socks.connect(pair.proxy, source_target.address) as down,
        socks.connect(pair.proxy, sink_target.address) as up,
        socks.connect(pair.proxy, echo_target.address) as typing,
    ):
        got: list[Received] = []
        request(down, 1, size)
        downloading = threading.Thread(target=lambda: got.append(receive_pattern(down, 1)))
        uploading = threading.Thread(target=_upload, args=(up, 2, size))
        downloading.start()
        uploading.start()
        for key in range(50):
            typing.sendall(bytes([key]) * 64)
            assert receive_exactly(typing, 64) == bytes([key]) * 64
        downloading.join()
        uploading.join()
        assert got == [Received(1, size, "eof")]
        assert sink_target.outcome() == Received(2, size, "eof")
