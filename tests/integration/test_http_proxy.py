"""HTTP requests through the proxy: heads and bodies of any kind arrive as they were meant."""

from __future__ import annotations

import re
import socket

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import answer_after_eof, echo
from tests.integration.support.http_client import HttpClient, get, request, status_page
from tests.integration.support.http_server import (
    Request,
    ServerConnection,
    describe,
    respond,
    scripted,
    url,
)
from tests.integration.support.pair import Pair
from tests.integration.support.udp import Association
from tests.integration.support.waiting import eventually
from tests.support.pattern import pattern
from tests.support.receiving import receive_exactly

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

BODY = pattern(1, 0, 300_001)


def in_chunks(data: bytes, *sizes: int) -> bytes:
    """`data` as chunks of those sizes, the last as often as it takes."""
    said, at = b"", 0
    for number in range(len(data)):
        size = sizes[min(number, len(sizes) - 1)]
        piece = data[at : at + size]
        if not piece:
            break
        said += f"{len(piece):X}".encode() + b"\r\n" + piece + b"\r\n"
        at += size
    return said + b"0\r\n\r\n"


# -- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(1, 2, 70_000), (65_536,), (16_384, 1), (300_001,)])
def test_chunks_of_any_size_arrive_both_ways(
    pair: Pair, serve: StartTarget, sizes: tuple[int, ...]
) -> None:
    bodies: list[bytes] = []
    data = BODY if sizes[-1] > 1 else BODY[:20_000]

    def script(server: ServerConnection) -> None:
        bodies.append(server.request().body)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        server.send(head + in_chunks(data, *sizes))
        bodies.append(server.request().body)
        server.send(respond(b"done"))

    where = url(serve(scripted(script)))
    with HttpClient(pair.proxy) as client:
        client.send(request("POST", where, "Transfer-Encoding: chunked") + in_chunks(data, *sizes))
        assert client.response().body == data
        client.send(request("POST", where, f"Content-Length: {len(data)}") + data)
        assert client.response().body == b"done"
    assert bodies == [data, data]


def test_a_chunked_response_byte_by_byte(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        server.request()
        said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + in_chunks(b"hello", 2)
        for byte in said[:-5] + b"00\r\nX-Checksum: 1\r\n\r\n":
            server.send(bytes((byte,)))
        server.rest()

    with HttpClient(pair.proxy) as client:
        assert client.get(url(serve(scripted(script)))).body == b"hello"


def test_a_body_without_length_ends_with_the_connection(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        server.request()
        server.send(b"HTTP/1.0 200 OK\n\n" + BODY)

    with HttpClient(pair.proxy) as client:
        answer = client.get(url(serve(scripted(script))))
        assert (answer.body, answer.headers["connection"]) == (BODY, "close")


HEADS_ONLY = {
    "HEAD": ("HEAD", "200 OK", "Content-Length: 1000\r\n"),
    "HEAD, chunked": ("HEAD", "200 OK", "Transfer-Encoding: chunked\r\n"),
    "204": ("GET", "204 No Content", ""),
    "304": ("GET", "304 Not Modified", "Content-Length: 1000\r\n"),
    "204 that claims a body": ("GET", "204 No Content", "Content-Length: 1000\r\n"),
}


@pytest.mark.parametrize("case", HEADS_ONLY.values(), ids=HEADS_ONLY.keys())
def test_what_has_no_body_is_not_waited_for(
    pair: Pair, serve: StartTarget, case: tuple[str, str, str]
) -> None:
    method, status, headers = case

    def script(server: ServerConnection) -> None:
        server.request()
        server.send(f"HTTP/1.1 {status}\r\n{headers}\r\n".encode())
        server.request()
        server.send(respond(b"next"))

    where = url(serve(scripted(script)))
    with HttpClient(pair.proxy) as client:
        client.send(request(method, where))
        assert client.response(to_head=True).status == int(status[:3])
        assert client.get(where).text == "next"


def test_a_large_upload_and_download_at_once(pair: Pair, serve: StartTarget) -> None:
    """The server sends back what it gets, as it gets it."""
    size = 5_000_000

    def script(server: ServerConnection) -> None:
        server.head()
        server.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        echo(server.socket)

    with HttpClient(pair.proxy) as client:
        where = url(serve(scripted(script)))
        client.send(request("POST", where, f"Content-Length: {size}"))
        assert client.head().headers["connection"] == "close"
        for at in range(0, size, 50_000):
            data = pattern(1, at, 50_000)
            client.send(data)
            assert client.receive(50_000) == data


# -- heads -------------------------------------------------------------------------------------


def test_what_the_server_sees(pair: Pair, serve: StartTarget) -> None:
    seen: list[Request] = []

    def script(server: ServerConnection) -> None:
        seen.append(server.request())
        server.send(respond(b""))

    target = serve(scripted(script))
    where = f"http://user:password@127.0.0.1:{target.port}/a%20b?c=d#fragment"
    head = [f"GET {where} HTTP/1.1", "Host: elsewhere.example", "Connection: X-Drop, keep-alive"]
    head += ["X-Drop: 1", "Keep-Alive: 5", "Proxy-Connection: keep-alive", "TE: trailers", "X: y"]
    with HttpClient(pair.proxy) as client:
        client.send("\r\n".join([*head, "", ""]).encode())
        assert client.response().status == 200
    [request] = seen
    assert (request.method, request.path, request.version) == ("GET", "/a%20b?c=d", "HTTP/1.1")
    assert request.headers == {
        "host": f"127.0.0.1:{target.port}",
        "x": "y",
        "via": "1.1 vsocks",
    }


def test_a_name_is_looked_up_by_the_host(pair: Pair, serve: StartTarget) -> None:
    target = serve(scripted(describe))
    assert get(pair.proxy, f"http://localhost:{target.port}/x").text == "GET /x "
    assert get(pair.proxy, f"http://LOCALHOST:{target.port}").text == "GET / "


def test_ipv6(pair: Pair, serve: StartTarget) -> None:
    target = serve(scripted(describe), "::1")
    assert get(pair.proxy, f"http://[::1]:{target.port}/x").text == "GET /x "
    with HttpClient(pair.proxy) as client:
        client.send(request("CONNECT", f"[::1]:{target.port}"))
        assert client.head().status == 200


# -- expectations ------------------------------------------------------------------------------


def test_a_server_may_say_to_continue(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        head = server.head()
        server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = receive_exactly(server.socket, int(head.headers["content-length"]))
        server.send(respond(head.headers["expect"].encode() + b" " + body))

    with HttpClient(pair.proxy) as client:
        where = url(serve(scripted(script)))
        client.send(request("PUT", where, "Expect: 100-continue", "Content-Length: 5"))
        assert client.head().status == 100
        client.send(b"hello")
        assert client.response().text == "100-continue hello"


def test_a_server_may_not_want_the_body(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        server.head()
        server.send(respond(b"no", status="417 Expectation Failed"))
        server.rest()

    with HttpClient(pair.proxy) as client:
        where = url(serve(scripted(script)))
        client.send(request("PUT", where, "Expect: 100-continue", "Content-Length: 5"))
        answer = client.response()
        assert (answer.status, answer.headers["connection"]) == (417, "close")
        assert client.is_ended()


def test_early_hints_are_passed_on(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        server.request()
        hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        server.send(hint * 3 + respond(b"hello"))

    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(serve(scripted(script)))))
        assert [client.head().status for _ in range(3)] == [103] * 3
        assert client.response().text == "hello"


# -- other protocols ---------------------------------------------------------------------------

UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_an_upgrade_is_a_tunnel_with_half_closes(pair: Pair, serve: StartTarget) -> None:
    seen: list[Request] = []

    def script(server: ServerConnection) -> None:
        seen.append(server.head())
        server.send(SWITCH + b"the server speaks first")
        answer_after_eof(server.socket)

    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(serve(scripted(script))), *UPGRADE) + b"early ")
        answer = client.head()
        assert (answer.status, answer.headers["upgrade"]) == (101, "websocket")
        assert client.receive(23) == b"the server speaks first"
        client.send(b"GET / HTTP/1.1\r\n\r\n\x00\xff")
        client.end()
        assert len(client.rest()) == 32
    assert (seen[0].headers["upgrade"], seen[0].headers["connection"]) == ("websocket", "upgrade")
    eventually(lambda: _assert_connections(pair, "0 of 64"))


def test_a_tunnel_by_upgrade_may_end_at_the_server_first(pair: Pair, serve: StartTarget) -> None:
    said: list[bytes] = []

    def script(server: ServerConnection) -> None:
        server.head()
        server.send(SWITCH)
        server.socket.shutdown(socket.SHUT_WR)
        said.append(server.rest())

    target = serve(scripted(script))
    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(target), *UPGRADE))
        assert client.head().status == 101
        assert client.is_ended()
        client.send(BODY)
        client.end()
        target.wait_idle()
    assert said == [BODY]


def test_an_upgrade_may_be_turned_down(pair: Pair, serve: StartTarget) -> None:
    target = serve(scripted(describe))
    with HttpClient(pair.proxy) as client:
        for number in range(2):
            assert client.get(url(target, f"/{number}"), *UPGRADE).text == f"GET /{number} "


def test_a_tunnel_by_connect_carries_anything(pair: Pair, serve: StartTarget) -> None:
    target = serve(echo)
    for ending in b"", b"\x16\x03\x01garbage\r\n\r\nGET / HTTP/1.1\r\n\r\n":
        with HttpClient(pair.proxy) as client:
            client.send(request("CONNECT", f"127.0.0.1:{target.port}") + ending)
            answer = client.head()
            assert answer.status == 200
            assert "content-length" not in answer.headers
            assert "transfer-encoding" not in answer.headers
            client.send(b"\0\xff" * 1000)
            client.end()
            assert client.rest() == ending + b"\0\xff" * 1000


# -- the proxy's own pages ---------------------------------------------------------------------


def _assert_connections(pair: Pair, wanted: str) -> None:
    assert status_page(pair.proxy)["Connections"] == wanted


def test_the_status_page_tells_the_truth(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(guest_options=("--max-streams", "7", "--max-associations", "3"), start=False)
    pair.start_guest()
    assert status_page(pair.proxy)["Session with the host"].startswith("none")
    pair.start()
    target = serve(echo)
    page = status_page(pair.proxy)
    assert page["Session with the host"] == "up"
    assert page["Proxy for HTTP and SOCKS"] == pair.proxy_text
    assert (page["Connections"], page["UDP associations"]) == ("0 of 7", "0 of 3")
    assert re.fullmatch(r"\d+\.\d+\S*", page["Version"])
    with HttpClient(pair.proxy) as client, Association(pair.proxy):
        client.send(request("CONNECT", f"127.0.0.1:{target.port}"))
        assert client.head().status == 200
        page = status_page(pair.proxy)
        assert page["UDP associations"] == "1 of 3"
        assert page["Connections"] == "2 of 7", "an association takes a slot, too"
    eventually(lambda: _assert_connections(pair, "0 of 7"))
    since = len(pair.guest.lines)
    pair.host.kill()
    pair.guest.wait_for_log("session lost", since=since)
    assert status_page(pair.proxy)["Session with the host"].startswith("none")


def test_the_pac_file_names_the_address_it_was_fetched_from(start_pair: StartPair) -> None:
    pair = start_pair(start=False)
    pair.guest_options = ("--listen", "0.0.0.0:0")
    guest = pair.start_guest(wait=False)
    port = int(guest.wait_for_log(r"listening on .* and 0\.0\.0\.0:(\d+)")[1])
    for host in "127.0.0.1", "127.0.0.2":
        pac = get((host, port), "/proxy.pac")
        assert pac.headers["content-type"] == "application/x-ns-proxy-autoconfig"
        assert f'"PROXY {host}:{port}; SOCKS5 {host}:{port}"' in pac.text


def test_other_pages_and_methods_there_are_none(pair: Pair) -> None:
    for method, path, status in [
        ("GET", "/favicon.ico", 404),
        ("POST", "/", 405),
        ("OPTIONS", "*", 405),
        ("HEAD", "/", 200),
        ("GET", "/?x", 200),
    ]:
        with HttpClient(pair.proxy) as client:
            client.send(request(method, path))
            assert client.response(to_head=method == "HEAD").status == status
            assert client.is_ended()
