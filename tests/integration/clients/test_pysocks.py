"""PySocks, which puts Python's sockets behind a proxy, and requests, which can use it."""

from __future__ import annotations

import hashlib
import socket

import pytest
import requests
import socks

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.pysocks import make_socket
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import answer_after_eof
from tests.integration.support.http_target import file_digest
from tests.integration.support.pair import Pair
from tests.integration.support.targets import closed_port
from tests.integration.support.waiting import DEADLINE
from tests.support.pattern import pattern
from tests.support.receiving import receive_all

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

SIZE = 1_000_003
PROTOCOLS = [
    pytest.param(socks.SOCKS5, id="socks5"),
    pytest.param(socks.SOCKS4, id="socks4"),
    pytest.param(socks.HTTP, id="http"),
]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_conversation_with_an_end_on_each_side(
    pair: Pair, serve: StartTarget, protocol: int, host: str
) -> None:
    target = serve(answer_after_eof)
    data = pattern(1, 0, SIZE)
    with make_socket(pair, protocol) as sock:
        sock.connect((host, target.port))
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == hashlib.sha256(data).digest()


@pytest.mark.parametrize(
    ("protocol", "complaint"),
    [
        pytest.param(socks.SOCKS5, "0x05: Connection refused", id="socks5"),
        pytest.param(socks.SOCKS4, "0x5b: Request rejected or failed", id="socks4"),
        pytest.param(socks.HTTP, "502", id="http"),
    ],
)
def test_a_refused_connection_is_told_as_one(pair: Pair, protocol: int, complaint: str) -> None:
    with (
        closed_port() as address,
        make_socket(pair, protocol) as sock,
        pytest.raises(socks.ProxyError, match=complaint),
    ):
        sock.connect(address)


def test_a_password(start_pair: StartPair, serve: StartTarget) -> None:
    guarded = start_pair(guest_options=("--user", "alice:sesame"))
    target = serve(answer_after_eof)
    with make_socket(guarded, socks.SOCKS5, user="alice", password="sesame") as sock:
        sock.connect(target.address)
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == hashlib.sha256().digest()
    with (
        make_socket(guarded, socks.SOCKS5, user="alice", password="wrong") as sock,
        pytest.raises(socks.ProxyError, match="authentication failed"),
    ):
        sock.connect(target.address)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks4", "socks4a", "http"])
def test_requests(pair: Pair, start_web_server: StartWebServer, scheme: str) -> None:
    port = start_web_server(Site()).port
    root = f"http://localhost:{port}"
    data = pattern(2, 0, SIZE)
    with requests.Session() as session:
        session.trust_env = False  # it would look for NO_PROXY
        session.proxies = {"http": f"{scheme}://{pair.proxy_text}"}
        for how in ("pattern", "chunked"):
            got = session.get(f"{root}/{how}/2/{SIZE}", timeout=DEADLINE)
            assert (got.status_code, got.content) == (200, data)
        parts = (data[start : start + 65536] for start in range(0, SIZE, 65536))
        sent = session.post(f"{root}/", data=parts, timeout=DEADLINE)
        assert sent.text == file_digest(2, SIZE)
    assert came_through(pair, port)
