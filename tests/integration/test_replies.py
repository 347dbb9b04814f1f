"""The reply tells the client the truth about its connect."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.curl import PROXY_ERROR, curl
from tests.integration.support.namespaces import UNREACHABLE_HOST, offline, with_names
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.integration.support.targets import closed_port, silent_port
from tests.support import socks
from tests.support.receiving import receive_all, receive_exactly
from tests.support.socks_messages import Reply, encode_request

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

NOWHERE = "no-such-host.invalid"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_refused(pair: Pair, host: str) -> None:
    with closed_port(host) as address:
        assert socks.ask(pair.proxy, address) == Reply.REFUSED


def test_refused_by_name(pair: Pair) -> None:
    with closed_port() as (_, port):
        assert socks.ask(pair.proxy, ("localhost", port)) == Reply.REFUSED


def test_curl_sees_the_reply(pair: Pair) -> None:
    with closed_port() as (host, port):
        got = curl(f"http://{host}:{port}/", "--socks5-hostname", pair.proxy_text)
    assert (got.status, got.socks_reply) == (PROXY_ERROR, Reply.REFUSED)


def test_not_allowed(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(host_options=())
    target = serve(echo)
    assert socks.ask(pair.proxy, target.address) == Reply.NOT_ALLOWED
    assert target.accepted() == 0


def test_timeout(start_pair: StartPair) -> None:
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--dial-timeout", "1"))
    with silent_port() as address:
        assert socks.ask(pair.proxy, address) == Reply.TIMEOUT


@pytest.mark.parametrize("name", [NOWHERE, "x" * 255, "a..b", "-"])
def test_a_name_that_does_not_exist(pair: Pair, name: str) -> None:
    assert socks.ask(pair.proxy, (name, 80)) == Reply.HOST_UNREACHABLE


@pytest.mark.parametrize(
    "name", ["", "with space", "nul\0byte", "new\nline", "caf\u00e9.invalid", "[::1]"]
)
def test_a_name_that_is_none_is_no_success(pair: Pair, name: str) -> None:
    assert socks.ask(pair.proxy, (name, 80), as_name=True) in {
        Reply.GENERAL_FAILURE,
        Reply.HOST_UNREACHABLE,
        Reply.ADDRESS_TYPE_NOT_SUPPORTED,
    }


def test_no_way_to_the_network(start_pair: StartPair) -> None:
    pair = start_pair(host_prefix=offline())
    replies = {
        "no route, IPv4": socks.ask(pair.proxy, ("203.0.113.1", 80)),
        "no route, IPv6": socks.ask(pair.proxy, ("2001:db8::1", 80)),
        "unreachable": socks.ask(pair.proxy, (UNREACHABLE_HOST, 80)),
        "no resolver": socks.ask(pair.proxy, (NOWHERE, 80)),
    }
    assert replies == {
        "no route, IPv4": Reply.NETWORK_UNREACHABLE,
        "no route, IPv6": Reply.NETWORK_UNREACHABLE,
        "unreachable": Reply.HOST_UNREACHABLE,
        "no resolver": Reply.HOST_UNREACHABLE,
    }


@pytest.mark.parametrize("command", [0, 4, 0xF2, 255])
def test_other_commands(pair: Pair, command: int) -> None:
    with socks.dial(pair.proxy) as sock:
        socks.greet(sock)
        sock.sendall(encode_request(("127.0.0.1", 80), command=command))
        assert socks.read_reply(sock) == Reply.COMMAND_NOT_SUPPORTED
        assert receive_all(sock) == b""


@pytest.mark.parametrize("kind", [0, 2, 5, 255])
def test_other_address_types(pair: Pair, kind: int) -> None:
    with socks.dial(pair.proxy) as sock:
        socks.greet(sock)
        sock.sendall(bytes((5, 1, 0, kind)))
        assert socks.read_reply(sock) == Reply.ADDRESS_TYPE_NOT_SUPPORTED
        assert receive_all(sock) == b""


def test_no_method_that_we_know(pair: Pair) -> None:
    with socks.dial(pair.proxy) as sock:
        sock.sendall(b"\x05\x02\x01\x80")
        assert receive_all(sock) == b"\x05\xff"


@pytest.mark.parametrize("greeting", [b"\x03", b"\x16\x03\x01", b"\xff"])
def test_who_speaks_neither_socks_nor_http_is_hung_up_on(pair: Pair, greeting: bytes) -> None:
    with socks.dial(pair.proxy) as sock:
        sock.sendall(greeting)
        with contextlib.suppress(ConnectionResetError):  # as it never read all of the greeting
            assert receive_all(sock) == b""


def test_the_handshake_may_trickle_in(pair: Pair, serve: StartTarget) -> None:
    target = serve(echo)
    with socks.dial(pair.proxy) as sock:
        for byte in b"\x05\x03\x00\x01\x02":
            sock.sendall(bytes((byte,)))
        assert receive_exactly(sock, 2) == b"\x05\x00"
        for byte in encode_request(("localhost", target.port)) + b"payload":
            sock.sendall(bytes((byte,)))
        assert socks.read_reply(sock) == Reply.SUCCEEDED
        assert receive_exactly(sock, 7) == b"payload"


def test_the_handshake_may_come_in_one_piece(pair: Pair, serve: StartTarget) -> None:
    target = serve(echo)
    with socks.dial(pair.proxy) as sock:
        sock.sendall(b"\x05\x01\x00" + encode_request(target.address) + b"payload")
        sock.shutdown(socket.SHUT_WR)
        assert receive_exactly(sock, 2) == b"\x05\x00"
        assert socks.read_reply(sock) == Reply.SUCCEEDED
        assert receive_all(sock) == b"payload"


@pytest.mark.parametrize(("silent", "live"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_one_family_that_is_silent_does_not_hide_the_other(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path, silent: str, live: str
) -> None:
    names = with_names(tmp_path, {"both.test": ("::1", "127.0.0.1")})
    pair = start_pair(host_prefix=names, host_options=(*ALLOW_LOOPBACK, "--dial-timeout", "120"))
    with silent_port(silent) as (_, port):
        target = serve(echo, live, port)
        with socks.connect(pair.proxy, ("both.test", port)) as sock:
            sock.sendall(b"hello")
            assert receive_exactly(sock, 5) == b"hello"
        assert target.accepted() == 1


@pytest.mark.parametrize(("closed", "live"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_one_family_that_refuses_does_not_hide_the_other(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path, closed: str, live: str
) -> None:
    pair = start_pair(host_prefix=with_names(tmp_path, {"both.test": ("::1", "127.0.0.1")}))
    with closed_port(closed) as (_, port):
        target = serve(echo, live, port)
        assert socks.ask(pair.proxy, ("both.test", port)) == Reply.SUCCEEDED
        assert target.accepted() == 1
