"""The audit's lines of look-ups, DNS queries and BIND, and of a session that is lost."""

from __future__ import annotations

import socket
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.audit_lines import awaited
from tests.integration.support.behaviours import echo
from tests.integration.support.dnsmasq import dnsmasq
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks import answer_to, read_answer, request
from tests.support.socks_messages import BIND, RESOLVE, RESOLVE_PTR, Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_look_ups_have_their_answers_and_rules(start_pair: StartPair, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    names = {"one.test": ("192.0.2.1",), "denied.test": ("192.0.2.2",)}
    pair = start_pair(
        host_options=("--deny", "denied.test", "--audit", str(audit)),
        host_prefix=with_names(tmp_path, names),
    )
    for name in "one.test", "denied.test", "no-such.invalid":
        answer_to(pair.proxy, (name, 0), command=RESOLVE)
    answer_to(pair.proxy, ("192.0.2.1", 0), command=RESOLVE_PTR)
    found, denied, unknown = awaited(audit, 3, kind="look-up")
    assert (found["event"], found["name"], found["end"]) == ("answered", "one.test", "192.0.2.1")
    assert (denied["event"], denied["allowed"]) == ("failed", False)
    assert (denied["name"], denied["rule"]) == ("denied.test", "deny denied.test")
    assert (unknown["event"], unknown["allowed"]) == ("failed", True)
    assert unknown["name"] == "no-such.invalid"
    [reverse] = awaited(audit, 1, kind="reverse-look-up")
    assert (reverse["name"], reverse["end"]) == ("192.0.2.1", "one.test")


def test_dns_queries_have_their_names(start_pair: StartPair, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    with dnsmasq(tmp_path) as server:
        pair = start_pair(
            guest_options=("--dns", "127.0.0.1:0"),
            host_options=(
                *("--deny", "other.example.test"),
                *("--dns-server", str(server)),
                *("--audit", str(audit)),
            ),
        )
        port = int(pair.guest.wait_for_log(r"DNS on 127\.0\.0\.1:(\d+)")[1])
        for name in "www.example.test", "other.example.test":
            query = dns.message.make_query(name, "A")
            dns.query.udp(query, "127.0.0.1", timeout=DEADLINE, port=port)
    answered, denied = awaited(audit, 2, kind="dns")
    assert (answered["event"], answered["name"]) == ("answered", "www.example.test")
    assert (denied["name"], denied["allowed"]) == ("other.example.test", False)
    assert denied["rule"] == "deny other.example.test"


def test_a_bind_has_who_came(start_pair: StartPair, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    options = (*ALLOW_LOOPBACK, "--allow-bind", "127.0.0.1", "--audit", str(audit))
    pair = start_pair(host_options=options)
    client, first = request(pair.proxy, ("127.0.0.2", 21), command=BIND)
    with client, socket.create_connection(first.address, DEADLINE, ("127.0.0.2", 0)) as peer:
        assert read_answer(client).reply == Reply.SUCCEEDED
        peer.sendall(b"150")
        assert receive_exactly(client, 3) == b"150"
        came_from = peer.getsockname()[1]
    [begin] = awaited(audit, 1, kind="bind", event="begin")
    [end] = awaited(audit, 1, kind="bind", event="end")
    assert (begin["address"], begin["port"]) == ("127.0.0.2", came_from)
    assert (end["sent"], end["received"]) == (0, 3)


def test_a_bind_that_may_not_be_has_a_line(start_pair: StartPair, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--audit", str(audit)))
    assert answer_to(pair.proxy, ("127.0.0.1", 21), command=BIND).reply == Reply.NOT_ALLOWED
    [line] = awaited(audit, 1, kind="bind")
    assert (line["event"], line["allowed"], line["end"]) == ("failed", False, "denied")
    assert line["rule"] == "built-in: BIND is off"


def test_a_lost_session_ends_its_connections(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path
) -> None:
    audit, target = tmp_path / "audit", serve(echo)
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--audit", str(audit)))
    with socks.connect(pair.proxy, target.address) as sock:
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"
        pair.guest.kill()
        [end] = awaited(audit, 1, kind="connect", event="end")
    assert (end["sent"], end["received"]) == (5, 5)
    assert end["end"] != "closed"
