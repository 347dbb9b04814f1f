"""What goes wrong on the way of an HTTP request: a page that is true, or a reset, never silence."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import Holder
from tests.integration.support.http_client import HttpClient, get, request
from tests.integration.support.http_server import ServerConnection, describe, respond, scripted, url
from tests.integration.support.pair import ALLOW_LOOPBACK, SESSION_UP, Pair
from tests.integration.support.targets import closed_port, silent_port
from tests.integration.support.transfer import reset
from tests.integration.support.waiting import DEADLINE, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def wait_served(pair: Pair, where: str) -> None:
    """Wait until a request is served: its slot is free."""
    # Sooner than a Holder would let go by itself.
    eventually(lambda: _assert_served(pair, where), deadline=DEADLINE / 2)


def _assert_served(pair: Pair, where: str) -> None:
    assert get(pair.proxy, where).status == 200


# -- before there is an answer -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_the_status_says_what_happened(start_pair: StartPair, method: str) -> None:
    options = (*ALLOW_LOOPBACK, "--deny", "*:25", "--dial-timeout", "1")
    pair = start_pair(host_options=options)
    with closed_port() as refusing, silent_port() as silent:
        for status, (host, port) in [
            (403, ("127.0.0.1", 25)),
            (403, ("localhost", 25)),
            (502, refusing),
            (502, ("no-such-host.invalid", 80)),
            (504, silent),
        ]:
            where = f"{host}:{port}"
            with HttpClient(pair.proxy) as client:
                client.send(request(method, where if method == "CONNECT" else f"http://{where}/"))
                page = client.response()
                assert (page.status, where) == (status, where)
                assert page.headers["connection"] == "close"
                assert client.is_ended()


def test_no_session_is_503(start_pair: StartPair) -> None:
    pair = start_pair(start=False)
    pair.start_guest()
    for head in request("GET", "http://127.0.0.1/"), request("CONNECT", "127.0.0.1:80"):
        with HttpClient(pair.proxy) as client:
            client.send(head)
            assert client.response().status == 503


def test_all_streams_busy_is_503_and_then_served_again(
    start_pair: StartPair, serve: StartTarget
) -> None:
    pair = start_pair()
    holder = Holder()
    silent, target = serve(holder), serve(scripted(describe))
    with ExitStack() as stack:
        for _ in range(64):
            client = stack.enter_context(HttpClient(pair.proxy))
            client.send(request("GET", url(silent)))

        def busy() -> None:
            assert get(pair.proxy, url(target)).status == 503

        eventually(busy)
        with HttpClient(pair.proxy) as client:
            client.send(request("CONNECT", "127.0.0.1:1"))
            page = client.response()
            assert page.status == 503
            assert "streams are taken" in page.text
        holder.go.set()
    wait_served(pair, url(target))


# -- servers that fail -------------------------------------------------------------------------


def _dies_before_the_answer(server: ServerConnection) -> None:
    server.head()


def _resets_before_the_answer(server: ServerConnection) -> None:
    server.head()
    reset(server.socket)


def _dies_in_the_head(server: ServerConnection) -> None:
    server.head()
    server.send(b"HTTP/1.1 200 OK\r\nContent-")


def _talks_nonsense(server: ServerConnection) -> None:
    server.head()
    server.send(b"220 smtp.example.com ESMTP\r\n")
    server.rest()


def _has_an_endless_head(server: ServerConnection) -> None:
    server.head()
    server.send(b"HTTP/1.1 200 OK\r\n" + b"X-Padding: 0123456789\r\n" * 5000)
    server.rest()


def _changes_to_another_protocol(server: ServerConnection) -> None:
    server.head()
    server.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    server.rest()


@pytest.mark.parametrize(
    "script",
    [
        _dies_before_the_answer,
        _resets_before_the_answer,
        _dies_in_the_head,
        _talks_nonsense,
        _has_an_endless_head,
        _changes_to_another_protocol,
    ],
)
def test_a_server_that_has_not_answered_well_is_502(
    pair: Pair, serve: StartTarget, script: object
) -> None:
    assert callable(script)
    with HttpClient(pair.proxy) as client:
        page = client.get(url(serve(scripted(script))))
        assert (page.status, page.headers["connection"]) == (502, "close")
        assert client.is_ended()


IN_THE_BODY = {
    "by length": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it",
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n500\r\nhello",
    "a wrong chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",
}


@pytest.mark.parametrize("said", IN_THE_BODY.values(), ids=IN_THE_BODY.keys())
def test_a_body_that_breaks_off_ends_in_a_reset(
    pair: Pair, serve: StartTarget, said: bytes
) -> None:
    def script(server: ServerConnection) -> None:
        server.head()
        server.send(said)

    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(serve(scripted(script)))))
        assert client.head().status == 200
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_body_without_length_that_is_reset_looks_not_whole(
    pair: Pair, serve: StartTarget
) -> None:
    """Its clean end is the only thing that says it is whole."""
    may_go = Holder()

    def script(server: ServerConnection) -> None:
        server.head()
        server.send(b"HTTP/1.1 200 OK\r\n\r\na part")
        may_go(server.socket)
        reset(server.socket)

    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(serve(scripted(script)))))
        assert client.head().status == 200
        assert client.receive(6) == b"a part"
        may_go.go.set()
        with pytest.raises(ConnectionResetError):
            client.rest()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_session_that_is_lost_within_a_body_is_a_reset(
    pair: Pair, serve: StartTarget, version: str
) -> None:
    holder = Holder()

    def script(server: ServerConnection) -> None:
        server.head()
        server.send(b"HTTP/1.1 200 OK\r\n\r\na part")
        holder(server.socket)

    target = serve(scripted(script))
    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(target), version=version))
        assert client.head().status == 200
        assert client.receive(6) == b"a part"
        since = len(pair.guest.lines)
        pair.host.kill()
        with pytest.raises(ConnectionResetError):
            client.rest()
    holder.go.set()
    pair.start_host()
    pair.guest.wait_for_log(SESSION_UP, since=since)
    wait_served(pair, url(serve(scripted(describe))))


def test_a_session_that_is_lost_before_the_answer_is_502(pair: Pair, serve: StartTarget) -> None:
    holder = Holder()
    came = Holder()

    def script(server: ServerConnection) -> None:
        server.head()
        came.go.set()
        holder(server.socket)

    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(serve(scripted(script)))))
        assert came.go.wait(20)
        pair.host.kill()
        assert client.response().status == 502
        assert client.is_ended()
    holder.go.set()


def test_a_silent_server_is_504(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(guest_options=("--idle-timeout", "0.5"))
    holder = Holder()
    assert get(pair.proxy, url(serve(holder))).status == 504
    holder.go.set()


# -- requests that get no further --------------------------------------------------------------

GOOD = "GET http://127.0.0.1/ HTTP/1.1\r\nHost: x\r\n"
SMUGGLING = {
    "two lengths": GOOD + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": GOOD + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "space before the colon": GOOD + "Content-Length : 1\r\n\r\n",
    "a folded line": GOOD + "X: 1\r\n Content-Length: 5\r\n\r\n",
    "a bare LF": GOOD + "X: 1\nContent-Length: 5\r\n\r\n",
    "a bare CR": GOOD + "X: 1\rContent-Length: 5\r\n\r\n",
    "a NUL": GOOD + "X: \0\r\n\r\n",
    "a signed length": GOOD + "Content-Length: +5\r\n\r\n",
    "two hosts": GOOD + "Host: y\r\n\r\n",
    "no version": "GET http://127.0.0.1/\r\n\r\n",
    "two targets": "GET http://127.0.0.1/ http://x/ HTTP/1.1\r\n\r\n",
    "https without CONNECT": "GET https://127.0.0.1/ HTTP/1.1\r\n\r\n",
    "CONNECT with a body": "CONNECT x:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
}


def test_what_two_readers_might_read_differently_is_400_and_the_end(
    pair: Pair, serve: StartTarget
) -> None:
    for name, said in SMUGGLING.items():
        with HttpClient(pair.proxy) as client:
            client.send(said.encode() + request("GET", "/"))
            page = client.response()
            assert (page.status, name) == (400, name)
            assert client.is_ended()


def test_a_malformed_chunk_is_400_and_the_end(pair: Pair, serve: StartTarget) -> None:
    holder = Holder()
    target = serve(holder)
    with HttpClient(pair.proxy) as client:
        head = request("POST", url(target), "Transfer-Encoding: chunked")
        client.send(head + b"5\r\nhello!!\r\n0\r\n\r\n" + request("GET", "/"))
        assert client.response().status == 400
        assert client.is_ended()
    holder.go.set()


def test_a_head_may_be_only_so_long(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(guest_options=("--max-header-size", "2000"))
    target = serve(scripted(describe))
    assert get(pair.proxy, url(target), "X: " + "x" * 1000).status == 200
    for line in "X: " + "x" * 3000, "\r\n".join(["X: x"] * 1000):
        with HttpClient(pair.proxy) as client:
            client.send(request("GET", url(target), line))
            assert client.response().status == 431
            assert client.is_ended()


def test_an_endless_line_is_431_before_its_end(pair: Pair) -> None:
    with HttpClient(pair.proxy) as client:
        client.send(b"GET http://127.0.0.1/" + b"x" * 33_000)
        assert client.response().status == 431


# -- clients that leave, and clients that dawdle -----------------------------------------------


def test_a_client_that_dawdles_is_left(start_pair: StartPair) -> None:
    pair = start_pair(guest_options=("--handshake-timeout", "0.5"))
    for said in b"", b"GET http://127.0.0.1/ HT", b"\x05\x01", b"\x04\x01":
        with HttpClient(pair.proxy) as client:
            client.send(said)
            assert client.is_ended()


@pytest.mark.parametrize("how", [socket.socket.close, reset])
@pytest.mark.parametrize("when", ["dialling", "waiting", "uploading", "downloading"])
def test_a_client_that_leaves_frees_its_slot(
    start_pair: StartPair, serve: StartTarget, when: str, how: object
) -> None:
    pair = start_pair(
        guest_options=("--max-streams", "1", "--half-close-timeout", "1"),
        host_options=(*ALLOW_LOOPBACK, "--dial-timeout", "60"),
    )
    holder = Holder()
    came = Holder()

    def script(server: ServerConnection) -> None:
        server.head()
        came.go.set()
        if when == "downloading":
            server.send(respond(bytes(20_000_000)))
        holder(server.socket)

    assert callable(how)
    hanging, target = serve(scripted(script)), serve(scripted(describe))
    with silent_port() as (host, port), HttpClient(pair.proxy) as client:
        match when:
            case "dialling":
                client.send(request("GET", f"http://{host}:{port}/"))
            case "uploading":
                client.send(request("PUT", url(hanging), "Content-Length: 1000") + b"half")
            case _:
                client.send(request("GET", url(hanging)))
        if when == "dialling":
            eventually(lambda: _assert_busy(pair, url(target)))
        else:
            assert came.go.wait(20)
        how(client.socket)
        wait_served(pair, url(target))
    holder.go.set()


def _assert_busy(pair: Pair, where: str) -> None:
    assert get(pair.proxy, where).status == 503
