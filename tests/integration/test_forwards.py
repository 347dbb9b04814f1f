"""Ports of the host that come out in the guest, and what does not."""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.alone import lone_host
from tests.integration.support.behaviours import (
    Holder,
    answer_after_eof,
    echo,
    end_first,
    source,
)
from tests.integration.support.http_client import status_page
from tests.integration.support.original_guest import OriginalGuest
from tests.integration.support.pair import ALLOW_LOOPBACK, SESSION_UP, Pair
from tests.integration.support.targets import closed_port
from tests.integration.support.transfer import (
    Received,
    read_request,
    receive_pattern,
    request,
    send_pattern,
)
from tests.integration.support.waiting import eventually
from tests.support import socks
from tests.support.pattern import pattern
from tests.support.receiving import receive_all, receive_exactly
from tests.support.socks_messages import Address, Reply
from vsocks.mux.buffers import RESERVED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

FORWARDING = r"forwarding ((?:\d+\.){3}\d+|\[.*\]):(\d+) to "
SIZE = 3_000_001


def forwarded(pair: Pair, number: int = 0) -> Address:
    """Where the host listens for its forward of that number, in the order of the options."""
    pair.host.wait_for_log(SESSION_UP)
    found = [match for line in pair.host.lines if (match := re.search(FORWARDING, line))]
    return found[number][1].strip("[]"), int(found[number][2])


def start_forward(
    start_pair: StartPair, to: Address, *, exposed: str | None = None, more: tuple[str, ...] = ()
) -> tuple[Pair, Address]:
    """A pair that forwards a port to `to`, which the guest exposes; and the port."""
    text = f"[{to[0]}]:{to[1]}" if ":" in to[0] else f"{to[0]}:{to[1]}"
    expose = text if exposed is None else exposed
    pair = start_pair(
        guest_options=("--expose", expose, *more) if expose else more,
        host_options=("--forward", f"0:{text}"),
    )
    return pair, forwarded(pair)


def assert_reset(address: Address) -> None:
    """Hold a connection to a reset, with no byte before."""
    # It may come as early as while the connection is made.
    with pytest.raises(ConnectionResetError), socks.dial(address) as sock:
        sock.recv(1)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1"])
def test_bytes_go_both_ways(start_pair: StartPair, serve: StartTarget, host: str) -> None:
    target = serve(end_first, host)
    _, port = start_forward(start_pair, target.address)
    with socks.dial(port) as sock:
        request(sock, 1, SIZE)
        assert receive_pattern(sock, 1) == Received(1, SIZE, "eof")
        send_pattern(sock, 1, SIZE)
        sock.shutdown(socket.SHUT_WR)
        assert target.outcome() == Received(1, SIZE, "eof")


def test_the_client_may_end_first(start_pair: StartPair, serve: StartTarget) -> None:
    _, port = start_forward(start_pair, serve(answer_after_eof).address)
    with socks.dial(port) as sock:
        sock.sendall(pattern(1, 0, 100_000))
        sock.shutdown(socket.SHUT_WR)
        assert len(receive_all(sock)) == 32


def test_clients_that_hold_all_their_streams_keep_no_forward_out(
    start_pair: StartPair, serve: StartTarget
) -> None:
    holder, target = Holder(), serve(echo)
    idle = serve(holder)
    to = f"127.0.0.1:{target.port}"
    streams = ("--max-streams", "2")
    pair = start_pair(
        guest_options=("--expose", to, *streams),
        host_options=("--forward", f"0:{to}", *streams, *ALLOW_LOOPBACK),
    )
    port = forwarded(pair)
    with socks.connect(pair.proxy, idle.address), socks.connect(pair.proxy, idle.address):
        assert socks.ask(pair.proxy, idle.address) == Reply.GENERAL_FAILURE
        with socks.dial(port) as sock:
            sock.sendall(b"hello")
            assert receive_exactly(sock, 5) == b"hello"
    holder.go.set()


def test_the_target_may_speak_first(start_pair: StartPair, serve: StartTarget) -> None:
    _, port = start_forward(start_pair, serve(lambda sock: sock.sendall(b"SSH-2.0-x")).address)
    with socks.dial(port) as sock:
        assert receive_all(sock) == b"SSH-2.0-x"


def test_a_port_alone_exposes_the_loopback(start_pair: StartPair, serve: StartTarget) -> None:
    target = serve(echo)
    _, port = start_forward(start_pair, target.address, exposed=str(target.port))
    with socks.dial(port) as sock:
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"


def test_the_hosts_port_may_be_at_another_address(
    start_pair: StartPair, serve: StartTarget
) -> None:
    target = serve(echo)
    to = f"127.0.0.1:{target.port}"
    pair = start_pair(
        guest_options=("--expose", to),
        host_options=("--forward", f"[::1]:0:{to}", "--forward", f"127.0.0.2:0:{to}"),
    )
    for number, host in enumerate(["::1", "127.0.0.2"]):
        address = forwarded(pair, number)
        assert address[0] == host
        with socks.dial(address) as sock:
            sock.sendall(b"hello")
            assert receive_exactly(sock, 5) == b"hello"


def test_many_at_once(start_pair: StartPair, serve: StartTarget) -> None:
    target = serve(source)
    _, port = start_forward(start_pair, target.address)

    def download(number: int) -> Received:
        with socks.dial(port) as sock:
            request(sock, number, SIZE)
            return receive_pattern(sock, number)

    with ThreadPoolExecutor(32) as pool:
        received = list(pool.map(download, range(32)))
    assert received == [Received(number, SIZE, "eof") for number in range(32)]


def test_200_in_a_row_leave_no_slot_behind(start_pair: StartPair, serve: StartTarget) -> None:
    target = serve(echo)
    pair, port = start_forward(start_pair, target.address, more=("--max-streams", "4"))
    for number in range(200):
        with socks.dial(port) as sock:
            word = number.to_bytes(8, "big")
            sock.sendall(word)
            if number % 4 == 3:
                continue  # it leaves with something under way
            assert receive_exactly(sock, 8) == word
            sock.shutdown(socket.SHUT_WR)
            assert receive_all(sock) == b""

    def idle() -> None:
        assert status_page(pair.proxy)["Connections"] == f"0 of {4 + RESERVED}"

    eventually(idle)


def test_all_streams_busy_is_a_reset_and_then_it_works_again(
    start_pair: StartPair, serve: StartTarget
) -> None:
    holder = Holder()
    target = serve(holder)
    pair, port = start_forward(start_pair, target.address, more=("--max-streams", "2"))
    with ExitStack() as stack:
        for number in range(2):
            stack.enter_context(socks.dial(port))
            eventually(lambda n=number: _assert_connections(pair, n + 1))  # type: ignore[misc]
        assert_reset(port)
        pair.host.wait_for_log(r"forward to .*: all 2 streams are taken")
    holder.go.set()
    eventually(lambda: _assert_connections(pair, 0))


def _assert_connections(pair: Pair, count: int) -> None:
    assert status_page(pair.proxy)["Connections"] == f"{count} of {2 + RESERVED}"


# -- what can't be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "exposed", ["", "{other}", "127.0.0.2:{port}", "[::1]:{port}", "[::ffff:127.0.0.1]:{port}"]
)
def test_what_is_not_exposed_is_out_of_reach_and_both_logs_say_so(
    start_pair: StartPair, serve: StartTarget, exposed: str
) -> None:
    """Exposed is one address with its port: the same port elsewhere isn't, nor is another port."""
    target, other = serve(echo), serve(echo)
    expose = exposed.format(port=target.port, other=other.port)
    pair, port = start_forward(start_pair, target.address, exposed=expose)
    assert_reset(port)
    pair.host.wait_for_log(rf"forward to 127\.0\.0\.1:{target.port}: the guest refused it \(2\)")
    wanted = rf"refused: the host wants 127\.0\.0\.1:{target.port}, which no --expose names"
    pair.guest.wait_for_log(wanted)
    assert (target.accepted(), other.accepted()) == (0, 0)


def test_a_target_that_refuses_is_a_reset_and_both_logs_say_so(start_pair: StartPair) -> None:
    with closed_port() as address:
        pair, port = start_forward(start_pair, address)
        assert_reset(port)
        pair.host.wait_for_log(r"forward to .*: the guest refused it \(5\)")
        pair.guest.wait_for_log(r"refused: the host's connection to .*: Connection refused")


def test_without_a_session_it_is_a_reset(start_pair: StartPair) -> None:
    pair = start_pair(host_options=("--forward", "0:127.0.0.1:1"), start=False)
    host = pair.start_host()
    host.wait_for_log(FORWARDING)
    [match] = [match for line in host.lines if (match := re.search(FORWARDING, line))]
    assert_reset(("127.0.0.1", int(match[2])))
    host.wait_for_log("forward to 127.0.0.1:1: no session")


def test_a_guest_of_the_original_wire_can_not_do_it(tmp_path: Path, serve: StartTarget) -> None:
    target = serve(echo)
    options = ("--wire", "original", "--forward", "0:127.0.0.1:1")
    with lone_host(tmp_path, *options) as (host, channel), OriginalGuest(channel) as guest:
        port = int(host.wait_for_log(FORWARDING)[2])
        assert_reset(("127.0.0.1", port))
        host.wait_for_log("forward to 127.0.0.1:1: .*original wire")
        with socks.connect(guest.proxy, target.address) as sock:
            sock.sendall(b"hello")
            assert receive_exactly(sock, 5) == b"hello"


@pytest.mark.parametrize("victim", ["guest", "host"])
def test_a_daemon_that_is_killed_is_a_reset_for_all(
    start_pair: StartPair, serve: StartTarget, victim: str
) -> None:
    target = serve(_greeting_sink)
    pair, port = start_forward(start_pair, target.address)
    with socks.dial(port) as sock:
        request(sock, 1, SIZE)
        receive_exactly(sock, 1)
        send_pattern(sock, 1, 100_000)
        if victim == "guest":
            pair.guest.kill()
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
            assert_reset(port)
            since = len(pair.host.lines)
            pair.start_guest()
            pair.host.wait_for_log(SESSION_UP, since=since)
        else:
            pair.host.kill()
            since = len(pair.guest.lines)
            pair.start_host()
            pair.guest.wait_for_log(SESSION_UP, since=since)
            port = forwarded(pair)
    # Of a guest that was killed the system closes the connections in good order.
    assert target.outcome().ending == ("reset" if victim == "host" else "eof")
    with socks.dial(port) as sock:
        request(sock, 2, 1000)
        receive_exactly(sock, 1)
        send_pattern(sock, 2, 1000)
    assert target.outcome() == Received(2, 1000, "eof")


def _greeting_sink(connection: socket.socket) -> Received:
    """A sink that says when it has begun."""
    stream, _ = read_request(connection)
    connection.sendall(b"!")
    return receive_pattern(connection, stream)


def test_clients_of_the_guest_and_forwards_share_the_channel(
    start_pair: StartPair, serve: StartTarget
) -> None:
    target = serve(source)
    to = f"127.0.0.1:{target.port}"
    pair = start_pair(
        guest_options=("--expose", to),
        host_options=("--forward", f"0:{to}", "--allow", "127.0.0.0/8"),
    )
    port = forwarded(pair)

    def download(number: int) -> Received:
        through = socks.connect(pair.proxy, target.address) if number % 2 else socks.dial(port)
        with through as sock:
            request(sock, number, SIZE)
            return receive_pattern(sock, number)

    with ThreadPoolExecutor(8) as pool:
        received = list(pool.map(download, range(16)))
    assert received == [Received(number, SIZE, "eof") for number in range(16)]
