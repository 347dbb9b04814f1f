"""A peer that speaks only the original project's wire works against both daemons."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.conftest import StartTarget
from tests.integration.support.alone import connect_unix, lone_guest, lone_host
from tests.integration.support.behaviours import echo, sink, source
from tests.integration.support.curl import curl
from tests.integration.support.daemon import Daemon
from tests.integration.support.http_target import HttpTarget, file_digest
from tests.integration.support.original_guest import OriginalGuest
from tests.integration.support.original_host import OriginalHost
from tests.integration.support.original_wire import HEADER, encode_target
from tests.integration.support.pair import ALLOW_LOOPBACK, LISTENING, SESSION_UP
from tests.integration.support.targets import closed_port
from tests.integration.support.transfer import Received, receive_pattern, request, send_pattern
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import Address, Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_001
WIRES = pytest.mark.parametrize("wire", [(), ("--wire", "original")], ids=["auto", "original"])


def _download(proxy: Address, target: Address, stream: int) -> Received:
    with socks.connect(proxy, target) as sock:
        request(sock, stream, SIZE)
        return receive_pattern(sock, stream)


def _upload(proxy: Address, target: Address, stream: int) -> None:
    with socks.connect(proxy, target) as sock:
        request(sock, stream, SIZE)
        send_pattern(sock, stream, SIZE)


def _exercise(proxy: Address, serve: StartTarget) -> None:
    """All that the original promises: fetch, send, names, many connections, a refusal."""
    source_target, sink_target, echo_target = serve(source), serve(sink), serve(echo)
    with HttpTarget() as server:
        url = f"http://localhost:{server.port}/3/{SIZE}"
        got = curl(url, "--socks5-hostname", f"{proxy[0]}:{proxy[1]}")
    assert (got.status, got.digest) == (0, file_digest(3, SIZE))

    with ThreadPoolExecutor(8) as pool:
        received = list(pool.map(lambda n: _download(proxy, source_target.address, n), range(8)))
    assert received == [Received(stream, SIZE, "eof") for stream in range(8)]

    _upload(proxy, sink_target.address, 9)
    assert sink_target.outcome().count == SIZE

    for number in range(100):  # more than there are connection ids
        with socks.connect(proxy, echo_target.address) as sock:
            word = number.to_bytes(8, "big")
            sock.sendall(word)
            assert receive_exactly(sock, 8) == word

    with closed_port() as nobody:
        assert _is_refused(proxy, nobody)


def _is_refused(proxy: Address, target: Address) -> bool:
    """Whether the connection just ends: the wire has no other way to say so.

    The host's close may come even before the guest has told its client that all is well.
    """
    try:
        with socks.connect(proxy, target) as sock:
            return _is_ended(sock)
    except (EOFError, ConnectionResetError):
        return True


def _is_ended(sock: socket.socket) -> bool:
    """Whether the connection ends, no matter how, with no byte before."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


@WIRES
def test_an_original_guest(tmp_path: Path, serve: StartTarget, wire: Sequence[str]) -> None:
    with lone_host(tmp_path, *wire) as (_, channel), OriginalGuest(channel) as guest:
        _exercise(guest.proxy, serve)


@WIRES
def test_an_original_host(tmp_path: Path, serve: StartTarget, wire: Sequence[str]) -> None:
    with lone_guest(tmp_path, *wire) as (guest, proxy, channel):
        with OriginalHost(channel) as host:
            guest.wait_for_log(SESSION_UP)
            _exercise(proxy, serve)
        wanted = [target for target in host.requests if target != ("0.0.0.0", 0)]
        assert len(wanted) == 1 + 8 + 1 + 100 + 1
        if wire:
            assert ("0.0.0.0", 0) not in host.requests, "nothing to detect, and still it probed"


@WIRES
def test_an_original_host_that_comes_late(
    tmp_path: Path, serve: StartTarget, wire: Sequence[str]
) -> None:
    """What the guest said to nobody meanwhile waits in the channel, and does no harm."""
    target = serve(echo)
    with lone_guest(tmp_path, *wire) as (guest, proxy, channel):
        time.sleep(3)  # of silence at the other end: that is the case to test
        with OriginalHost(channel):
            guest.wait_for_log(SESSION_UP)
            with socks.connect(proxy, target.address) as sock:
                sock.sendall(b"hello")
                assert receive_exactly(sock, 5) == b"hello"


@WIRES
def test_the_policy_holds_for_an_original_guest(
    tmp_path: Path, serve: StartTarget, wire: Sequence[str]
) -> None:
    target = serve(echo)
    with (
        lone_host(tmp_path, *wire, "--deny", f"*:{target.port}") as (_, channel),
        OriginalGuest(channel) as guest,
        socks.connect(guest.proxy, target.address) as sock,
    ):
        assert _is_ended(sock)
    assert target.accepted() == 0


def test_what_a_web_page_may_post_is_no_guests(tmp_path: Path) -> None:
    """Behind a head of some length it could send any packets to a channel that listens on TCP."""
    with lone_host(tmp_path, "--wire", "original") as (host, channel):
        channel.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"x" * 30_000)
        with contextlib.suppress(ConnectionResetError):
            assert channel.recv(1) == b""
        host.wait_for_log("channel closed: the other side speaks HTTP")


def _packet(conn_id: int, data: bytes) -> bytes:
    return HEADER.pack(conn_id, len(data)) + data


@WIRES
def test_an_id_may_be_used_again_right_behind_its_close(
    tmp_path: Path, serve: StartTarget, wire: Sequence[str]
) -> None:
    """The host must not send its own close for the old connection: the new one would get it."""
    target = serve(echo)
    opening = _packet(0, encode_target(*target.address))
    with lone_host(tmp_path, *wire) as (_, channel):
        for number in range(20):
            word = f"word {number}".encode()
            channel.sendall(opening + _packet(0, word))
            assert receive_exactly(channel, 4 + len(word)) == _packet(0, word)
            channel.sendall(_packet(0, b""))


@WIRES
def test_every_split_of_a_packet(tmp_path: Path, serve: StartTarget, wire: Sequence[str]) -> None:
    target = serve(echo)
    said = _packet(5, encode_target(*target.address)) + _packet(5, b"hello")
    with lone_host(tmp_path, *wire) as (_, channel):
        for byte in said:
            channel.sendall(bytes((byte,)))
        assert receive_exactly(channel, 9) == _packet(5, b"hello")


@pytest.mark.parametrize("wire", ["auto", "vsocks"])
def test_our_own_guest_is_not_taken_for_an_original(
    tmp_path: Path, serve: StartTarget, wire: str
) -> None:
    """A new session after an original one, over the same host daemon."""
    target = serve(echo)
    path = tmp_path / "channel"
    arguments = ("host", "--channel", f"unix-listen:{path}", *ALLOW_LOOPBACK, "--wire", wire)
    with Daemon(arguments, tmp_path / "host.log") as host:
        if wire == "auto":
            _one_original_connection(path, host, target.address)
        since = len(host.lines)
        guest_arguments = ("guest", "--channel", f"unix:{path}", "--listen", "127.0.0.1:0")
        with Daemon(guest_arguments, tmp_path / "guest.log") as guest:
            port = int(guest.wait_for_log(LISTENING)[1])
            guest.wait_for_log(SESSION_UP)
            host.wait_for_log(SESSION_UP, since=since)
            with closed_port() as nobody:
                # Only our own wire can tell this.
                assert socks.ask(("127.0.0.1", port), nobody) == Reply.REFUSED


def _one_original_connection(path: Path, host: Daemon, target: Address) -> None:
    with connect_unix(path, host) as channel:
        channel.sendall(_packet(0, encode_target(*target)) + _packet(0, b"hello"))
        assert receive_exactly(channel, 9) == _packet(0, b"hello")
