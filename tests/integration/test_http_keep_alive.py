"""Requests in a row on one connection: each gets its own answer, whatever servers do between."""

from __future__ import annotations

import threading

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import Holder
from tests.integration.support.http_client import HttpClient, request, status_page
from tests.integration.support.http_server import ServerConnection, describe, respond, scripted, url
from tests.integration.support.pair import Pair
from tests.integration.support.transfer import reset
from tests.integration.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

LARGE = 30_000_000


def test_the_same_server_keeps_its_connection(pair: Pair, serve: StartTarget) -> None:
    target = serve(scripted(describe))
    with HttpClient(pair.proxy) as client:
        for number in range(5):
            assert client.get(url(target, f"/{number}")).text == f"GET /{number} "
    assert target.accepted() == 1


def test_another_server_gets_its_own(pair: Pair, serve: StartTarget) -> None:
    one, other = serve(scripted(describe)), serve(scripted(describe))
    with HttpClient(pair.proxy) as client:
        for target in one, other, one, one:
            where = url(target, f"/{target.port}")
            client.send(request("POST", where, "Content-Length: 4") + b"body")
            assert client.response().text == f"POST /{target.port} body"
    assert (one.accepted(), other.accepted()) == (2, 1)
    eventually(lambda: _assert_idle(pair))


@pytest.mark.parametrize("split", [True, False])
def test_requests_may_be_ahead_of_their_answers(
    pair: Pair, serve: StartTarget, split: bool
) -> None:
    one, other = serve(scripted(describe)), serve(scripted(describe))
    said = b"".join(
        [
            request("GET", url(one, "/1")),
            request("POST", url(one, "/2"), "Content-Length: 5") + b"hello",
            request("POST", url(other, "/3"), "Transfer-Encoding: chunked"),
            b"1\r\na\r\n00002;x=y\r\nbc\r\n0\r\nTrailer: x\r\n\r\n",
            request("HEAD", url(other, "/4")),
            request("GET", url(one, "/5")),
            request("GET", "/"),
        ]
    )
    with HttpClient(pair.proxy) as client:
        if split:
            client.send_in_single_bytes(said)
        else:
            client.send(said)
        answers = [client.response(to_head=at == 3).text for at in range(5)]
        assert answers == ["GET /1 ", "POST /2 hello", "POST /3 abc", "", "GET /5 "]
        assert "Version" in client.response().text
        assert client.is_ended()


def test_a_tunnel_may_follow_on_the_same_connection(pair: Pair, serve: StartTarget) -> None:
    target = serve(scripted(describe))
    with HttpClient(pair.proxy) as client:
        client.get(url(target))
        connect = request("CONNECT", f"127.0.0.1:{target.port}")
        client.send(connect + b"GET /inside HTTP/1.1\r\n\r\n")
        assert client.head().status == 200
        assert client.response().text == "GET /inside "


@pytest.mark.parametrize("how", ["ends", "resets"])
@pytest.mark.parametrize("next_server", ["same", "other"])
def test_a_server_that_ends_an_idle_connection_is_not_missed(
    pair: Pair, serve: StartTarget, how: str, next_server: str
) -> None:
    may_end, ended = threading.Event(), threading.Event()

    def script(server: ServerConnection) -> None:
        request = server.request()
        server.send(respond(request.path.encode()))
        if request.path == "/1":
            may_end.wait(20)
            if how == "resets":
                reset(server.socket)
            server.socket.close()
            ended.set()

    target, other = serve(scripted(script)), serve(scripted(script))
    with HttpClient(pair.proxy) as client:
        assert client.get(url(target, "/1")).text == "/1"
        may_end.set()
        assert ended.wait(20)
        where = url(target if next_server == "same" else other, "/2")
        client.send(request("POST", where, "Content-Length: 3") + b"abc")
        # Sent to whom it is known to have gone, it would be lost; and repeated it must not be.
        if next_server == "other" or not client.is_ended():
            assert client.response().status == 200


@pytest.mark.parametrize("how", ["ends", "resets"])
@pytest.mark.parametrize(
    ("method", "body", "is_repeated"),
    [("GET", b"", True), ("DELETE", b"", True), ("POST", b"body", False), ("GET", b"body", False)],
)
def test_a_request_that_meets_the_servers_end_is_repeated_if_that_is_safe(
    pair: Pair, serve: StartTarget, how: str, method: str, body: bytes, is_repeated: bool
) -> None:
    """Else the client meets that end, too, and repeats it if it may be: an answer is final."""

    def script(server: ServerConnection) -> None:
        request = server.request()
        if request.path == "/1":
            server.send(respond(b"the first"))
            server.head()
            if how == "resets":
                reset(server.socket)
        else:
            server.send(respond(b"the second"))

    target = serve(scripted(script))
    with HttpClient(pair.proxy) as client:
        assert client.get(url(target, "/1")).text == "the first"
        client.send(request(method, url(target, "/2"), f"Content-Length: {len(body)}") + body)
        if is_repeated:
            assert client.response().text == "the second"
        else:
            assert client.is_ended()
    assert target.accepted() == (2 if is_repeated else 1)


def test_a_request_is_repeated_once_only(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        if server.request().path == "/1":
            server.send(respond(b"the first"))
            server.head()

    target = serve(scripted(script))
    with HttpClient(pair.proxy) as client:
        client.get(url(target, "/1"))
        assert client.get(url(target, "/2")).status == 502
    assert target.accepted() == 2


def test_more_than_was_asked_for_is_not_taken_for_the_next_answer(
    pair: Pair, serve: StartTarget
) -> None:
    def script(server: ServerConnection) -> None:
        request = server.request()
        server.send(respond(request.path.encode()) + respond(b"poison"))
        server.rest()

    target = serve(scripted(script))
    with HttpClient(pair.proxy) as client:
        assert client.get(url(target, "/1")).text == "/1"
        assert client.get(url(target, "/2")).text == "/2"
    assert target.accepted() == 2


def test_a_client_that_says_nothing_more_is_left(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(guest_options=("--keep-alive-timeout", "0.5"))
    target = serve(scripted(describe))
    for beginning in b"", b"GET http://":
        with HttpClient(pair.proxy) as client:
            client.get(url(target))
            client.send(beginning)
            assert client.is_ended()


@pytest.mark.parametrize("headers", [("Connection: close",), ("Proxy-Connection: close",)])
def test_a_client_may_want_no_more(
    pair: Pair, serve: StartTarget, headers: tuple[str, ...]
) -> None:
    target = serve(scripted(describe))
    with HttpClient(pair.proxy) as client:
        answer = client.get(url(target), *headers)
        assert answer.headers["connection"] == "close"
        assert client.is_ended()
        assert target.wait_idle() == []


def test_a_client_of_1_0_gets_one_answer_and_the_end(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        assert server.request().version == "HTTP/1.1"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        server.send(b"HTTP/1.1 100 Continue\r\n\r\n" + head + b"5\r\nhello\r\n0\r\n\r\n")
        server.rest()

    with HttpClient(pair.proxy) as client:
        where = url(serve(scripted(script)))
        client.send(request("GET", where, "Connection: keep-alive", version="1.0"))
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"hello")
        assert "transfer-encoding" not in answer.headers
        assert client.is_ended()


@pytest.mark.parametrize("body", [b"", b"hello"])
def test_a_client_that_has_ended_still_gets_its_answer(
    pair: Pair, serve: StartTarget, body: bytes
) -> None:
    """As from a shell: printf … | nc proxy 1080."""

    def script(server: ServerConnection) -> None:
        request = server.request()
        server.send(respond(request.body + b" and " + server.rest()))

    with HttpClient(pair.proxy) as client:
        where = url(serve(scripted(script)))
        client.send(request("POST", where, f"Content-Length: {len(body)}") + body)
        client.end()
        assert client.response().body == body + b" and "
        assert client.is_ended()


# -- answers before the end of the request ------------------------------------------------------


@pytest.mark.parametrize("how", ["ends", "resets"])
def test_an_upload_that_is_turned_down_is_not_taken_for_requests(
    pair: Pair, serve: StartTarget, how: str
) -> None:
    """Whatever follows an answer that came early could be the rest of the body."""
    poisoned = serve(scripted(describe))

    def script(server: ServerConnection) -> None:
        server.head()
        server.send(respond(b"too large", status="413 Content Too Large"))
        if how == "resets":
            # Only once the proxy has had the answer: the reset might overtake it.
            may_reset.wait(20)
            reset(server.socket)

    may_reset = threading.Event()
    with HttpClient(pair.proxy) as client:
        where = url(serve(scripted(script)))
        client.send(request("PUT", where, f"Content-Length: {LARGE}"))
        answer = client.response()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        may_reset.set()
        client.send(request("GET", url(poisoned, "/poison")))
        assert client.rest() == b""
    assert poisoned.accepted() == 0
    eventually(lambda: _assert_idle(pair))


def test_a_large_upload_that_is_turned_down_gets_the_answer(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        server.head()
        server.send(respond(b"too large", "Connection: close", status="413 Content Too Large"))
        server.rest()

    with HttpClient(pair.proxy) as client:
        client.send(request("PUT", url(serve(scripted(script))), f"Content-Length: {LARGE}"))
        assert client.response().status == 413
    eventually(lambda: _assert_idle(pair))


def _assert_idle(pair: Pair) -> None:
    assert status_page(pair.proxy)["Connections"] == "0 of 64"


@pytest.mark.parametrize("size", [700_000, 5_000_000, 12_000_000])
def test_an_answer_to_an_upload_that_is_still_on_its_way(
    pair: Pair, serve: StartTarget, size: int
) -> None:
    """The server answers, and reads the upload only afterwards: the next request is unharmed."""

    def script(server: ServerConnection) -> None:
        head = server.head()
        answered = respond(b"early")
        server.send(answered)
        if holder.go.wait(20):
            server.socket.settimeout(20)
            server.rest() if head.method == "PUT" else None

    holder = Holder()
    target, other = serve(scripted(script)), serve(scripted(describe))
    with HttpClient(pair.proxy) as client:
        sender = threading.Thread(
            target=_send_quietly,
            args=(client, request("PUT", url(target), f"Content-Length: {size}") + bytes(size)),
        )
        sender.start()
        answer = client.response()
        assert answer.text == "early"
        sender.join(5)
        if "connection" not in answer.headers:
            assert client.get(url(other, "/next")).text == "GET /next "
    holder.go.set()
    sender.join(20)


def _send_quietly(client: HttpClient, data: bytes) -> None:
    try:
        client.send(data)
    except OSError:
        return


# -- slow ones ---------------------------------------------------------------------------------


def test_who_reads_slowly_holds_up_nobody(pair: Pair, serve: StartTarget) -> None:
    def script(server: ServerConnection) -> None:
        server.request()
        server.send(respond(bytes(LARGE)))

    large, small = serve(scripted(script)), serve(scripted(describe))
    slow = [HttpClient(pair.proxy) for _ in range(4)]
    for client in slow:
        client.send(request("GET", url(large)))
    for number in range(20):
        with HttpClient(pair.proxy) as client:
            assert client.get(url(small, f"/{number}")).text == f"GET /{number} "
    for client in slow:
        assert client.response().body == bytes(LARGE)
        client.close()
