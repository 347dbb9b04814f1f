"""The guest's status page shows what goes on: `/` for people, `/status.json` for programs."""

from __future__ import annotations

import json
import re
import socket
from html import unescape
from typing import Any

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.http_client import HttpClient, get, request
from tests.integration.support.pair import Pair
from tests.integration.support.udp import Association, udp_target
from tests.integration.support.waiting import eventually
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import Address, Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DENIED = "the host's policy does not allow it"


def told(proxy: Address) -> dict[str, Any]:
    """What programs are told."""
    members: dict[str, Any] = json.loads(get(proxy, "/status.json").text)
    return members


def rows(proxy: Address) -> list[list[str]]:
    """The rows of the connections and refusals on the page."""
    lines = re.findall(r"<tr><td>(.*)", get(proxy, "/").text)
    return [[unescape(cell) for cell in line.split("<td>")] for line in lines]


def test_a_connection_is_shown_with_its_bytes_while_it_lasts(
    pair: Pair, serve: StartTarget
) -> None:
    target = serve(echo)
    with socks.connect(pair.proxy, ("localhost", target.port)) as sock:
        sock.sendall(bytes(2500))
        assert len(receive_exactly(sock, 2500)) == 2500
        [shown] = told(pair.proxy)["listed"]
        expected = {"protocol": "SOCKS5", "target": f"localhost:{target.port}", "answered": True}
        assert expected.items() <= shown.items()
        assert (shown["sent"], shown["received"]) == (2500, 2500)
        assert shown["number"] == "c1"
        [row] = rows(pair.proxy)
        assert row[:5] == ["c1", "SOCKS5", f"localhost:{target.port}", "2.5 kB", "2.5 kB"]
    eventually(lambda: _assert_nothing_listed(pair))
    after = told(pair.proxy)
    assert (after["sent"], after["received"]) == (2500, 2500), "the sum keeps what has ended"


def _assert_nothing_listed(pair: Pair) -> None:
    assert told(pair.proxy)["listed"] == []


def test_each_kind_is_shown_as_what_it_is(start_pair: StartPair, serve: StartTarget) -> None:
    target = serve(echo)
    pair = start_pair(guest_options=("--listen", "127.0.0.1:0", "--expose", str(target.port)))
    where = f"127.0.0.1:{target.port}"
    with (
        udp_target() as udp,
        Association(pair.proxy) as association,
        # The last: a client that says nothing for some seconds is hung up on.
        HttpClient(pair.proxy) as tunnel,
    ):
        tunnel.send(request("CONNECT", where))
        assert tunnel.head().status == 200
        assert association.exchange(udp.address, b"hello")[1] == b"hello"
        shown = {each["number"]: each for each in told(pair.proxy)["listed"]}
        assert (shown["c1"]["protocol"], shown["c1"]["target"]) == ("HTTP", where)
        assert (shown["a1"]["protocol"], shown["a1"]["target"]) == ("SOCKS5 UDP", "datagrams")
        assert (shown["a1"]["sent"], shown["a1"]["received"]) == (5, 5)


def test_plain_http_is_counted_too(pair: Pair, serve: StartTarget) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + bytes(3000)
    started = socket.socket.sendall

    def answers(connection: socket.socket) -> None:
        while connection.recv(65536):
            started(connection, answer)

    target = serve(answers)
    with HttpClient(pair.proxy) as client:
        response = client.get(f"http://127.0.0.1:{target.port}/")
        assert len(response.body) == 3000
        [shown] = told(pair.proxy)["listed"]
    assert shown["protocol"] == "HTTP"
    assert shown["received"] == len(answer)
    assert 0 < shown["sent"] < 500


def test_refusals_have_reasons_in_words(start_pair: StartPair) -> None:
    pair = start_pair(host_options=("--deny", "*"))
    for _ in range(3):
        assert socks.ask(pair.proxy, ("10.0.0.1", 443)) is Reply.NOT_ALLOWED
    assert get(pair.proxy, "http://blocked.test/secret?token=1").status == 403
    with HttpClient(pair.proxy) as client:
        client.send(request("CONNECT", "tunnel.test:443"))
        assert client.response().status == 403
    refusals = told(pair.proxy)["refusals"]
    assert [(each["protocol"], each["target"], each["count"]) for each in refusals] == [
        ("HTTP", "tunnel.test:443", 1),
        ("HTTP", "blocked.test:80", 1),
        ("SOCKS5", "10.0.0.1:443", 3),
    ]
    assert {each["reason"] for each in refusals} == {DENIED}
    assert [row[1:] for row in rows(pair.proxy)] == [
        ["1", "HTTP", "tunnel.test:443", DENIED],
        ["1", "HTTP", "blocked.test:80", DENIED],
        ["3", "SOCKS5", "10.0.0.1:443", DENIED],
    ]
    assert "secret" not in get(pair.proxy, "/").text


def test_what_no_session_serves_is_a_refusal_too(start_pair: StartPair) -> None:
    pair = start_pair(start=False)
    pair.start_guest()
    socks.ask(pair.proxy, ("10.0.0.1", 443))
    [refusal] = told(pair.proxy)["refusals"]
    assert refusal["target"] == "10.0.0.1:443"
    assert "no session" in refusal["reason"]


def test_a_client_that_makes_no_sense_is_told_of(pair: Pair) -> None:
    with socks.dial(pair.proxy) as sock:
        sock.sendall(b"\x16\x03\x01")
        assert sock.recv(1) == b""
    [refusal] = told(pair.proxy)["refusals"]
    assert "neither SOCKS nor HTTP" in refusal["reason"]


def test_what_the_host_may_not_reach_is_told_of(start_pair: StartPair) -> None:
    pair = start_pair(host_options=("--forward", "0:127.0.0.1:9"))
    port = int(pair.host.wait_for_log(r"forwarding 127\.0\.0\.1:(\d+)")[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20):
        pair.guest.wait_for_log("refused: the host wants")
    [refusal] = told(pair.proxy)["refusals"]
    assert (refusal["protocol"], refusal["target"]) == ("from the host", "127.0.0.1:9")
    assert refusal["reason"] == "no --expose names it"


def test_with_users_nobody_sees_who_goes_where(start_pair: StartPair) -> None:
    """The pages ask for no password."""
    pair = start_pair(guest_options=("--listen", "127.0.0.1:0", "--user", "alice:secret"))
    assert get(pair.proxy, "http://blocked.test/").status == 407
    members = told(pair.proxy)
    assert not {"listed", "refusals"} & members.keys()
    assert members["session"] is True
    assert "isn't shown here: the proxy has users" in get(pair.proxy, "/").text


def test_another_machine_does_not_see_who_goes_where(start_pair: StartPair) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but loopback")
        ours = str(sock.getsockname()[0])
    pair = start_pair(start=False)
    pair.guest_options = ("--listen", "0.0.0.0:0")
    guest = pair.start_guest(wait=False)
    port = int(guest.wait_for_log(r"listening on .* and 0\.0\.0\.0:(\d+)")[1])
    assert "refusals" in told(("127.0.0.1", port))
    assert "refusals" not in told((ours, port))
    assert "on the proxy's own machine only" in get((ours, port), "/").text
