"""DNS clients send their questions through the proxy (UDP ASSOCIATE)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest
import socks

from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.dns_server import (
    IPV4,
    IPV6,
    LONG_NAME,
    LONG_TEXTS,
    NAME,
    dns_server,
)
from tests.integration.clients.support.pysocks import make_socket
from tests.integration.clients.support.socksify import Socksify
from tests.integration.conftest import StartPair
from tests.integration.support.pair import Pair
from tests.integration.support.waiting import DEADLINE, eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

ROUNDS = 200
NAMESAKES = [("localhost", "127.0.0.1"), ("localhost", "::1")]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with dns_server(tmp_path) as port:
        yield port


def associate(pair: Pair, user: str | None = None, password: str | None = None) -> socks.socksocket:
    """A socket for datagrams that will ask for its association when it is first used."""
    return make_socket(pair, kind=socket.SOCK_DGRAM, user=user, password=password)


def ask(sock: socks.socksocket, port: int, kind: str = "A") -> str:
    """The answer to that question about NAME, by dnspython."""
    question = dns.message.make_query(NAME, kind)
    answer = dns.query.udp(question, "127.0.0.1", DEADLINE, port, sock=sock)
    return str(answer.answer[0][0])


def test_drill_behind_socksify(pair: Pair, programs: Programs, port: int) -> None:
    needs("drill")
    said = Socksify(programs, pair).check("drill", "-p", str(port), NAME, "@127.0.0.1")
    assert f"\tIN\tA\t{IPV4}\n" in said.text


def test_many_questions_over_one_association(pair: Pair, port: int) -> None:
    with associate(pair) as sock:
        for _ in range(ROUNDS):
            assert ask(sock, port, "A") == IPV4
            assert ask(sock, port, "AAAA") == IPV6


def test_one_association_reaches_addresses_of_both_kinds_and_names(pair: Pair, port: int) -> None:
    question = dns.message.make_query(NAME, "A")
    with associate(pair) as sock:
        for server in ("127.0.0.1", "::1", "localhost", "127.0.0.1"):
            sock.sendto(question.to_wire(), (server, port))
            data, (address, from_port) = sock.recvfrom(4096)
            assert address == server or (server, address) in NAMESAKES
            assert from_port == port
            assert str(dns.message.from_wire(data).answer[0][0]) == IPV4


def test_an_answer_longer_than_a_packet(pair: Pair, port: int) -> None:
    question = dns.message.make_query(LONG_NAME, dns.rdatatype.TXT, use_edns=0, payload=4096)
    with associate(pair) as sock:
        answer = dns.query.udp(question, "127.0.0.1", DEADLINE, port, sock=sock)
    assert len(answer.answer[0]) == LONG_TEXTS


def test_a_password(start_pair: StartPair, port: int) -> None:
    guarded = start_pair(guest_options=("--user", "alice:sesame"))
    with associate(guarded, user="alice", password="sesame") as sock:
        assert ask(sock, port) == IPV4
    with associate(guarded) as sock, pytest.raises(socks.ProxyError):
        ask(sock, port)


def test_an_association_ends_with_its_connection(start_pair: StartPair, port: int) -> None:
    """Only so does a second one get the only place."""
    narrow = start_pair(guest_options=("--max-associations", "1"))
    with associate(narrow) as first:
        assert ask(first, port) == IPV4
        with associate(narrow) as second, pytest.raises(socks.ProxyError):
            ask(second, port)
        assert ask(first, port) == IPV4

    def again() -> None:
        try:
            with associate(narrow) as third:
                assert ask(third, port) == IPV4
        except socks.ProxyError as error:
            raise AssertionError("the place was not given back") from error

    eventually(again)
