"""The rules that the documents show do what stands beside them."""

from __future__ import annotations

import re
import shlex
from ipaddress import ip_address
from pathlib import Path

import pytest

from vsocks.cli.arguments import Parser
from vsocks.cli.host_options import add_host_options
from vsocks.policy.policy import Policy

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
COMMAND = re.compile(r"^ {4}(vsocks host (?:[^\n]*\\\n)*[^\n]*)$", re.MULTILINE)
OUTSIDE = ip_address("151.101.2.132")
AT_HOME = ip_address("192.168.1.20")


def policy_of(document: str, part: str) -> Policy:
    """The rules of the document's one command in which ``part`` stands."""
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    [command] = {found for found in COMMAND.findall(text) if part in found}
    words = shlex.split(command.replace("\\\n", " ").partition(" 2>")[0])
    parser = Parser()
    add_host_options(parser)
    return Policy(parser.parse_args(words[2:]).rules)


def test_the_readmes_domain_alone() -> None:
    policy = policy_of("README.md", "debian.org")
    assert policy.permits("deb.debian.org", OUTSIDE, 443).allowed
    for name, port in (("deb.debian.org", 80), ("debian.org", 443), ("example.com", 443)):
        assert not policy.permits(name, OUTSIDE, port).allowed, (name, port)
    assert not policy.permits(None, OUTSIDE, 443).allowed, "by the address"
    assert not policy.permits("deb.debian.org", ip_address("127.0.0.1"), 443).allowed
    assert policy.denies_look_up("deb.debian.org") is None
    assert policy.denies_look_up("secret.example.com") is not None


def test_the_lab_reaches_nothing_and_looks_up_nothing() -> None:
    policy = policy_of("docs/recipes.md", "lab.sock")
    assert not policy.permits("example.com", OUTSIDE, 443).allowed
    assert not policy.permits(None, AT_HOME, 80).allowed
    assert policy.denies_look_up("example.com") is not None


def test_a_build_fetches_from_its_servers_alone() -> None:
    policy = policy_of("docs/recipes.md", "ci.sock")
    assert policy.permits("deb.debian.org", OUTSIDE, 80).allowed
    assert policy.permits("pypi.org", OUTSIDE, 443).allowed
    assert not policy.permits("pypi.org", OUTSIDE, 80).allowed
    assert not policy.permits("example.com", OUTSIDE, 443).allowed


def test_a_sandbox_has_the_web_and_nothing_at_home() -> None:
    policy = policy_of("docs/recipes.md", "box.sock")
    assert policy.permits("example.com", OUTSIDE, 443).allowed
    assert not policy.permits("example.com", OUTSIDE, 25).allowed
    assert not policy.permits("example.com", AT_HOME, 443).allowed
    assert not policy.permits(None, ip_address("127.0.0.1"), 80).allowed
