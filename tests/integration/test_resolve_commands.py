"""Tor's RESOLVE and RESOLVE_PTR: the host's answers, by the host's policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import StartPair
from tests.integration.support.alone import lone_guest
from tests.integration.support.namespaces import with_names
from tests.integration.support.original_host import OriginalHost
from tests.integration.support.pair import ALLOW_LOOPBACK, SESSION_UP, Pair
from tests.support import socks
from tests.support.receiving import receive_all
from tests.support.socks import answer_to, read_answer
from tests.support.socks_messages import RESOLVE, RESOLVE_PTR, Reply, encode_request

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

NAMES = {"one.test": ("192.0.2.1",), "six.test": ("2001:db8::6",), "denied.test": ("192.0.2.2",)}


@pytest.fixture
def named(start_pair: StartPair, tmp_path: Path) -> Pair:
    """A pair whose host knows NAMES and denies one of them."""
    options = (*ALLOW_LOOPBACK, "--deny", "denied.test", "--deny", "192.0.2.9")
    return start_pair(host_options=options, host_prefix=with_names(tmp_path, NAMES))


@pytest.mark.parametrize("port", [0, 1, 65535])
def test_a_name_has_an_address(named: Pair, port: int) -> None:
    answer = answer_to(named.proxy, ("one.test", port), command=RESOLVE)
    assert answer == (Reply.SUCCEEDED, "192.0.2.1", 0)
    answer = answer_to(named.proxy, ("six.test", port), command=RESOLVE)
    assert answer == (Reply.SUCCEEDED, "2001:db8::6", 0)


def test_an_address_stands_for_itself(named: Pair) -> None:
    for address in "192.0.2.77", "::1", "169.254.169.254":
        for as_name in True, False:
            answer = answer_to(named.proxy, (address, 0), command=RESOLVE, as_name=as_name)
            assert answer == (Reply.SUCCEEDED, address, 0)


def test_what_has_none_or_may_not_be_known(named: Pair) -> None:
    for name, reply in [
        ("no-such-host.invalid", Reply.HOST_UNREACHABLE),
        ("x" * 255, Reply.HOST_UNREACHABLE),
        ("a..b", Reply.HOST_UNREACHABLE),
        ("denied.test", Reply.NOT_ALLOWED),
        ("DENIED.test.", Reply.NOT_ALLOWED),
    ]:
        assert (answer_to(named.proxy, (name, 0), command=RESOLVE).reply, name) == (reply, name)
    named.host.wait_for_log("refused: .2. look-up of denied.test: denied by 'deny denied.test'")


def test_an_address_has_a_name(named: Pair) -> None:
    for address, name in ("192.0.2.1", "one.test"), ("2001:db8::6", "six.test"):
        answer = answer_to(named.proxy, (address, 0), command=RESOLVE_PTR)
        assert answer == (Reply.SUCCEEDED, name, 0)


def test_an_address_without_name_or_that_may_not_be_known(named: Pair) -> None:
    answers = {
        address: answer_to(named.proxy, (address, 0), command=RESOLVE_PTR).reply
        for address in ("203.0.113.1", "192.0.2.9", "169.254.169.254", "one.test")
    }
    assert answers == {
        "203.0.113.1": Reply.HOST_UNREACHABLE,
        "192.0.2.9": Reply.NOT_ALLOWED,
        "169.254.169.254": Reply.NOT_ALLOWED,
        "one.test": Reply.ADDRESS_TYPE_NOT_SUPPORTED,
    }


def test_the_answer_is_the_last_thing(named: Pair) -> None:
    with socks.dial(named.proxy) as client:
        socks.greet(client)
        client.sendall(encode_request(("one.test", 0), command=RESOLVE) + b"and more")
        assert read_answer(client).host == "192.0.2.1"
        assert receive_all(client) == b""


def test_many_at_once(named: Pair) -> None:
    clients = [socks.dial(named.proxy) for _ in range(60)]
    for client in clients:
        socks.greet(client)
        client.sendall(encode_request(("one.test", 0), command=RESOLVE))
    assert {read_answer(client) for client in clients} == {(Reply.SUCCEEDED, "192.0.2.1", 0)}
    for client in clients:
        client.close()


def test_without_a_session_or_a_host_that_knows_it(start_pair: StartPair, tmp_path: Path) -> None:
    pair = start_pair(start=False)
    pair.start_guest()
    assert answer_to(pair.proxy, ("x.test", 0), command=RESOLVE).reply == Reply.GENERAL_FAILURE
    pair.guest.stop()
    with lone_guest(tmp_path) as (guest, proxy, channel), OriginalHost(channel):
        guest.wait_for_log(SESSION_UP)
        for command, target in (RESOLVE, "x.test"), (RESOLVE_PTR, "192.0.2.1"):
            answer = answer_to(proxy, (target, 0), command=command)
            assert answer.reply == Reply.COMMAND_NOT_SUPPORTED


def test_a_session_that_is_lost_meanwhile_is_a_failure(pair: Pair) -> None:
    clients = [socks.dial(pair.proxy) for _ in range(8)]
    for number, client in enumerate(clients):
        socks.greet(client)
        name = f"{number}.no-such-host.invalid"
        client.sendall(encode_request((name, 0), command=RESOLVE))
    pair.host.kill()
    replies = {read_answer(client).reply for client in clients}
    assert replies <= {Reply.GENERAL_FAILURE, Reply.HOST_UNREACHABLE}
    for client in clients:
        client.close()
