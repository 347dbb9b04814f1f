"""Which targets the host daemon dials, and which it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.namespaces import with_names
from tests.support import socks
from tests.support.socks_messages import Address, Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

DENIED_BY_DEFAULT = [
    "127.0.0.1",
    "127.1.2.3",
    "::1",
    "0.0.0.0",
    "::",
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fd00:ec2::254",
    "224.0.0.1",
    "239.255.255.250",
    "ff02::1",
    "255.255.255.255",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
]
LOOPBACK_BY_ANOTHER_NAME = [
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "0",
    "::1",
    "::ffff:127.0.0.1",
]


def test_what_the_default_denies(start_pair: StartPair, serve: StartTarget) -> None:
    pair = start_pair(host_options=())
    targets = serve(echo), serve(echo, "::1")
    hosts = DENIED_BY_DEFAULT
    replies = {
        (host, target.port): socks.ask(pair.proxy, (host, target.port))
        for host in hosts
        for target in targets
    }
    assert replies == dict.fromkeys(replies, Reply.NOT_ALLOWED)
    assert [target.accepted() for target in targets] == [0, 0]


def test_loopback_is_denied_under_any_name(start_pair: StartPair, serve: StartTarget) -> None:
    """The check is of the address that would be dialled, whatever the guest called it."""
    pair = start_pair(host_options=())
    target = serve(echo)
    replies = {
        name: socks.ask(pair.proxy, (name, target.port), as_name=True)
        for name in LOOPBACK_BY_ANOTHER_NAME
    }
    # Some of these may be no names at all to the resolver (4, or 1), but none may get through.
    assert replies["localhost"] == replies["LOCALHOST"] == Reply.NOT_ALLOWED
    denials = {Reply.NOT_ALLOWED, Reply.HOST_UNREACHABLE, Reply.GENERAL_FAILURE}
    assert set(replies.values()) <= denials, replies
    assert target.accepted() == 0


ALLOWED_AND_DENIED = [
    # the rules; a target which they allow; one which they deny
    pytest.param(["--allow", "127.0.0.0/8"], ("127.9.9.9", 1), ("::1", 1), id="one-network-only"),
    pytest.param(
        ["--allow", "127.0.0.0/8", "--deny", "127.9.0.0/16"],
        ("127.8.0.1", 1),
        ("127.9.0.1", 1),
        id="deny-behind-allow",
    ),
    pytest.param(
        ["--deny", "127.9.0.0/16", "--allow", "127.9.9.0/24"],
        ("127.9.9.1", 1),
        ("127.9.8.1", 1),
        id="allow-behind-deny",
    ),
    pytest.param(
        ["--allow", "127.0.0.0/8", "--deny", "127.9.0.0/16", "--allow", "127.9.9.9"],
        ("127.9.9.9", 1),
        ("127.9.9.8", 1),
        id="last-of-three",
    ),
    pytest.param(
        ["--allow", "127.0.0.0/8:1000-1999"],
        ("127.9.9.9", 1999),
        ("127.9.9.9", 2000),
        id="port-range-end",
    ),
    pytest.param(
        ["--allow", "127.0.0.0/8:1000-1999"],
        ("127.9.9.9", 1000),
        ("127.9.9.9", 999),
        id="port-range-start",
    ),
    pytest.param(["--allow", "[::1]:7"], ("::1", 7), ("::1", 8), id="ipv6-port"),
    pytest.param(["--allow", "::1"], ("::1", 7), ("127.9.9.9", 7), id="ipv6-bare"),
    pytest.param(
        ["--allow", "127.0.0.0/8", "--deny", "*:25"],
        ("127.9.9.9", 26),
        ("127.9.9.9", 25),
        id="port-of-all",
    ),
    pytest.param(
        ["--allow", "0.0.0.0/0:7"], ("127.9.9.9", 7), ("127.9.9.9", 8), id="all-on-a-port"
    ),
    pytest.param(
        ["--allow", "127.0.0.0/8"], ("::ffff:127.9.9.9", 7), ("::1", 7), id="mapped-address"
    ),
    pytest.param(
        ["--allow", "127.0.0.0/8", "--deny", "localhost:8"],
        ("localhost", 7),
        ("LocalHost", 8),
        id="name-and-port",
    ),
    pytest.param(
        ["--allow", "127.0.0.0/8", "--deny", "localhost"],
        ("127.0.0.1", 7),
        ("localhost", 7),
        id="name-denied",
    ),
]


@pytest.mark.parametrize(("rules", "allowed", "denied"), ALLOWED_AND_DENIED)
def test_rules(start_pair: StartPair, rules: list[str], allowed: Address, denied: Address) -> None:
    pair = start_pair(host_options=rules)
    # Whether anybody listens there is another question, and has another answer.
    assert socks.ask(pair.proxy, allowed) != Reply.NOT_ALLOWED
    assert socks.ask(pair.proxy, denied) == Reply.NOT_ALLOWED


def test_domain_rules(start_pair: StartPair, tmp_path: Path) -> None:
    names = ["example.test", "www.example.test", "a.b.example.test", "badexample.test"]
    pair = start_pair(
        host_prefix=with_names(tmp_path, dict.fromkeys(names, ("127.0.0.1",))),
        host_options=["--allow", "127.0.0.0/8", "--deny", "*.example.test:7"],
    )
    denied = {name: socks.ask(pair.proxy, (name, 7)) == Reply.NOT_ALLOWED for name in names}
    assert denied == {
        "example.test": False,
        "www.example.test": True,
        "a.b.example.test": True,
        "badexample.test": False,
    }
    assert socks.ask(pair.proxy, ("www.example.test", 8)) != Reply.NOT_ALLOWED


def test_of_a_names_addresses_only_the_allowed_are_dialled(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path
) -> None:
    denied = serve(echo, "127.0.0.1")
    allowed = serve(echo, "127.0.0.2", denied.port)
    addresses = ("127.0.0.1", "127.0.0.2")
    pair = start_pair(
        host_prefix=with_names(tmp_path, {"mixed.test": addresses}),
        host_options=["--allow", "127.0.0.2"],
    )
    replies = [socks.ask(pair.proxy, ("mixed.test", denied.port)) for _ in range(3)]
    assert replies == [Reply.SUCCEEDED] * 3
    assert (denied.accepted(), allowed.accepted()) == (0, 3)


@pytest.mark.parametrize(
    "rules",
    [[], ["--deny", "*", "--allow", "*.test"], ["--allow", "rebound.test"], ["--allow", "*"]],
    ids=["none", "domain", "name", "all"],
)
def test_a_public_name_that_leads_home_is_denied(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path, rules: list[str]
) -> None:
    """Also when a rule allows the name: whoever serves it may have it point anywhere."""
    target = serve(echo)
    names = {"rebound.test": ("127.0.0.1",), "metadata.test": ("169.254.169.254",)}
    pair = start_pair(host_prefix=with_names(tmp_path, names), host_options=rules)
    for name in names:
        assert socks.ask(pair.proxy, (name, target.port)) == Reply.NOT_ALLOWED
    assert target.accepted() == 0
