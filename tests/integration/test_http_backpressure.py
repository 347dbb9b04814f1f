"""Servers that answer too early, or when nobody has asked: what is left harms no request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.support.alone import lone_guest
from tests.integration.support.grudging_host import GrudgingHost
from tests.integration.support.http_client import HttpClient, request
from tests.integration.support.http_server import respond
from tests.integration.support.pair import SESSION_UP

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

WINDOW = 2048
"""Bytes that the host takes: less than what the proxy reads from the client at once."""

BODY = b"GET http://127.0.0.1/from-the-body HTTP/1.1\r\n\r\n" * 100
URL = "http://127.0.0.1:8000/"


def test_the_unsent_end_of_a_body_is_not_the_next_request(tmp_path: Path) -> None:
    with (
        lone_guest(tmp_path) as (guest, proxy, channel),
        GrudgingHost(channel, WINDOW) as host,
        HttpClient(proxy) as client,
    ):
        guest.wait_for_log(SESSION_UP)
        client.send(request("PUT", URL, f"Content-Length: {len(BODY)}") + BODY)
        host.wait_received(0, WINDOW)
        host.send(0, respond(b"early"))
        assert client.response().body == b"early"
        client.send(request("GET", URL + "next"))
        host.wait_received(1, 10)
        host.send(1, respond(b"next"))
        assert client.response().body == b"next"
        assert host.received[1].startswith(b"GET /next ")
        assert len(host.received) == 2
        guest.check_log()


def test_a_tunnel_does_not_begin_before_the_request_has_gone(tmp_path: Path) -> None:
    upgrade = ("Connection: upgrade", "Upgrade: websocket", f"Content-Length: {len(BODY)}")
    with (
        lone_guest(tmp_path) as (guest, proxy, channel),
        GrudgingHost(channel, WINDOW) as host,
        HttpClient(proxy) as client,
    ):
        guest.wait_for_log(SESSION_UP)
        client.send(request("GET", URL, *upgrade) + BODY)
        host.wait_received(0, WINDOW)
        head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        host.send(0, f"{head}\r\n".encode())
        assert client.head().status == 101
        with pytest.raises(ConnectionResetError):
            client.rest()
        guest.check_log()


@pytest.mark.parametrize("how", ["ends", "says more"])
def test_what_comes_between_requests_means_another_connection(tmp_path: Path, how: str) -> None:
    """Even for a request that must not be sent twice."""
    with (
        lone_guest(tmp_path) as (guest, proxy, channel),
        GrudgingHost(channel, WINDOW) as host,
        HttpClient(proxy) as client,
    ):
        guest.wait_for_log(SESSION_UP)
        client.send(request("GET", URL))
        host.wait_received(0, 10)
        host.send(0, respond(b"one"))
        assert client.response().body == b"one"
        if how == "ends":
            host.end(0)
        else:
            host.send(0, respond(b"poison"))
        with HttpClient(proxy) as other:  # after whose answer the guest knows of that, too
            other.send(request("GET", URL))
            host.wait_received(1, 10)
            host.send(1, respond(b"two"))
            assert other.response().body == b"two"
        client.send(request("POST", URL, "Content-Length: 4") + b"body")
        host.wait_received(2, 10)
        host.send(2, respond(b"three"))
        assert client.response().body == b"three"
