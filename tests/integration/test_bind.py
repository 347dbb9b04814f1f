"""BIND: the host listens for the target of a client, if it was told that it may."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair
from tests.integration.support.alone import lone_guest
from tests.integration.support.http_client import status_page
from tests.integration.support.namespaces import with_names
from tests.integration.support.no_service import NoService
from tests.integration.support.original_host import OriginalHost
from tests.integration.support.pair import ALLOW_LOOPBACK, SESSION_UP, Pair
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support import socks
from tests.support.receiving import receive_all, receive_exactly
from tests.support.socks import answer_to, read_answer, request
from tests.support.socks_messages import BIND, Address, Reply, encode_request
from vsocks.address import Target
from vsocks.channel import open_source, parse_spec
from vsocks.host.binding import Binder
from vsocks.host.dial import Dialer
from vsocks.host.resolve import Resolver
from vsocks.mux.buffers import share_out
from vsocks.mux.link import Link
from vsocks.mux.relay import IdleTimeouts, Relay
from vsocks.policy.policy import Policy, Rule
from vsocks.protocol.endpoint import EndpointConfig
from vsocks.protocol.handshake import Role
from vsocks.reply import DialError

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

BINDING = (*ALLOW_LOOPBACK, "--allow-bind", "127.0.0.1")


def come(to: Address, host: str = "127.0.0.1") -> socket.socket:
    """Connect to where the host listens, from the address `host`."""
    return socket.create_connection(to, DEADLINE, (host, 0))


def _assert_nobody_listens(address: Address) -> None:
    try:
        socket.create_connection(address, DEADLINE).close()
    except ConnectionRefusedError:
        return
    raise AssertionError(f"{address} still listens")


def assert_idle(pair: Pair) -> None:
    assert status_page(pair.proxy)["Connections"].startswith("0 of ")


def test_it_is_off_by_default(pair: Pair) -> None:
    assert answer_to(pair.proxy, ("127.0.0.1", 21), command=BIND).reply == Reply.NOT_ALLOWED
    pair.host.wait_for_log(r"refused: \(2\) listening for 127\.0\.0\.1:21: it is off")


@pytest.mark.parametrize(
    ("listening", "coming"), [("127.0.0.1", "127.0.0.2"), ("::1", "::1"), ("0.0.0.0", "127.0.0.2")]
)
def test_two_replies_and_then_data_both_ways(
    start_pair: StartPair, listening: str, coming: str
) -> None:
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--allow-bind", listening))
    client, first = request(pair.proxy, (coming, 21), command=BIND)
    with client:
        assert first.reply == Reply.SUCCEEDED
        assert first.host == {"0.0.0.0": "127.0.0.1"}.get(listening, listening)
        with come(first.address, coming) as peer:
            second = read_answer(client)
            assert (second.reply, second.address) == (Reply.SUCCEEDED, peer.getsockname()[:2])
            peer.sendall(b"150 here it comes")
            assert receive_exactly(client, 17) == b"150 here it comes"
            client.sendall(b"thanks")
            client.shutdown(socket.SHUT_WR)
            assert receive_all(peer) == b"thanks"
            peer.shutdown(socket.SHUT_WR)
            assert receive_all(client) == b""
    _assert_nobody_listens(first.address)
    eventually(lambda: assert_idle(pair))


def test_who_is_expected_may_have_a_name(start_pair: StartPair, tmp_path: Path) -> None:
    names = with_names(tmp_path, {"ftp.test": ("127.0.0.2", "127.0.0.3")})
    pair = start_pair(host_options=BINDING, host_prefix=names)
    client, first = request(pair.proxy, ("ftp.test", 21), command=BIND)
    with client, come(first.address, "127.0.0.3") as peer:
        assert read_answer(client).address == peer.getsockname()


def test_others_are_turned_away_and_the_expected_one_still_gets_in(start_pair: StartPair) -> None:
    pair = start_pair(host_options=BINDING)
    client, first = request(pair.proxy, ("127.0.0.2", 21), command=BIND)
    with client:
        for number in range(10):
            with come(first.address, f"127.0.1.{number + 1}") as stranger:
                try:
                    assert stranger.recv(1) == b""
                except ConnectionResetError:
                    continue
        with come(first.address, "127.0.0.2") as peer:
            assert read_answer(client).address == peer.getsockname()
            peer.sendall(b"hello")
            assert receive_exactly(client, 5) == b"hello"


def test_data_that_comes_with_the_request_is_kept(start_pair: StartPair) -> None:
    pair = start_pair(host_options=BINDING)
    with socks.dial(pair.proxy) as client:
        socks.greet(client)
        client.sendall(encode_request(("127.0.0.2", 21), command=BIND) + b"early ")
        first = read_answer(client)
        client.sendall(b"late")
        with come(first.address, "127.0.0.2") as peer:
            read_answer(client)
            assert receive_exactly(peer, 10) == b"early late"


def test_whom_the_policy_denies_nobody_waits_for(start_pair: StartPair) -> None:
    pair = start_pair(host_options=(*BINDING, "--deny", "127.0.0.2"))
    for denied in "127.0.0.2", "169.254.169.254", "0.0.0.0":
        assert answer_to(pair.proxy, (denied, 21), command=BIND).reply == Reply.NOT_ALLOWED
    pair.host.wait_for_log("refused: .2. 127.0.0.2:21: denied by 'deny 127.0.0.2'")


def test_an_address_that_is_not_the_hosts_is_no_crash(start_pair: StartPair) -> None:
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--allow-bind", "203.0.113.1"))
    answer = answer_to(pair.proxy, ("127.0.0.2", 21), command=BIND)
    assert answer.reply == Reply.NETWORK_UNREACHABLE
    pair.host.wait_for_log("refused: .*listening for 127.0.0.2:21: Cannot assign")


@pytest.mark.parametrize("how", ["client", "guest", "host"])
def test_with_the_client_or_a_daemon_goes_the_listening_socket(
    start_pair: StartPair, how: str
) -> None:
    pair = start_pair(host_options=BINDING)
    client, first = request(pair.proxy, ("127.0.0.2", 21), command=BIND)
    with client:
        match how:
            case "client":
                client.close()
            case "guest":
                pair.guest.kill()
            case "host":
                pair.host.kill()
                assert read_answer(client).reply == Reply.GENERAL_FAILURE
        eventually(lambda: _assert_nobody_listens(first.address))
    if how != "guest":
        eventually(lambda: assert_idle(pair))


def test_nobody_is_waited_for_without_end() -> None:
    async def wait() -> DialError:
        resolver = Resolver()
        policy = Policy([Rule.parse("allow", "127.0.0.0/8")])
        binder = Binder("127.0.0.1", Dialer(policy, resolver), timeout=0.05)
        source = open_source(parse_spec("unix:/nobody/listens"))
        link = Link(source, EndpointConfig(Role.HOST), NoService())
        relay = Relay(
            link, share_out(1, 1024, with_host=False)[0], IdleTimeouts(), lambda _why: None
        )
        try:
            await binder.wait_for(Target("127.0.0.2", 21), relay)
        except DialError as error:
            return error
        finally:
            resolver.close()
        raise AssertionError("somebody came")

    assert int(asyncio.run(wait()).reply) == Reply.TIMEOUT


def test_a_host_of_the_original_wire_can_not_do_it(tmp_path: Path) -> None:
    with lone_guest(tmp_path) as (guest, proxy, channel), OriginalHost(channel):
        guest.wait_for_log(SESSION_UP)
        answer = answer_to(proxy, ("127.0.0.1", 21), command=BIND)
        assert answer.reply == Reply.COMMAND_NOT_SUPPORTED


def _socks4_answer(client: socket.socket) -> tuple[int, Address]:
    zero, code, port, host = struct.unpack(">BBH4s", receive_exactly(client, 8))
    assert zero == 0
    return code, (socket.inet_ntoa(host), port)


def test_socks4_has_it_too(start_pair: StartPair) -> None:
    pair = start_pair(host_options=BINDING)
    with socks.dial(pair.proxy) as client:
        head = struct.pack(">BBH4s", 4, 2, 21, socket.inet_aton("127.0.0.2"))
        client.sendall(head + b"somebody\0")
        code, where = _socks4_answer(client)
        assert (code, where[0]) == (90, "127.0.0.1")
        with come(where, "127.0.0.2") as peer:
            assert _socks4_answer(client) == (90, peer.getsockname())
            peer.sendall(b"hello")
            assert receive_exactly(client, 5) == b"hello"
