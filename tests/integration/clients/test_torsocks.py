"""torsocks looks names and addresses up through the proxy, by Tor's commands for SOCKS5."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.clients.support.command import Finished, Programs
from tests.integration.conftest import StartPair
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

NAME, ADDRESS = "site.test", "127.1.2.3"
GET_NAME = "import socket, sys; print(socket.gethostbyaddr(sys.argv[1])[0])"
NOT_FOUND = 2
"""getent's exit status for a key that is unknown."""


@pytest.fixture
def pair(start_pair: StartPair, tmp_path: Path) -> Pair:
    """A pair whose host alone knows `site.test`."""
    return start_pair(
        host_options=(*ALLOW_LOOPBACK, "--allow", NAME),
        host_prefix=with_names(tmp_path, {NAME: [ADDRESS]}),
    )


def torsocks(programs: Programs, pair: Pair, *command: str) -> Finished:
    """Run `command` under torsocks, which takes the guest for Tor."""
    address, port = pair.proxy
    options: Sequence[str] = ("--address", address, "--port", str(port))
    return programs.run("torsocks", *options, *command)


def test_a_name(pair: Pair, programs: Programs) -> None:
    """RESOLVE"""
    found = torsocks(programs, pair, "getent", "ahostsv4", NAME)
    assert found.status == 0, str(found)
    assert found.text.split()[0] == ADDRESS


def test_an_address(pair: Pair, programs: Programs) -> None:
    """RESOLVE_PTR. It is Python that asks, because getent dies of torsocks's answer."""
    found = torsocks(programs, pair, sys.executable, "-c", GET_NAME, ADDRESS)
    assert found.status == 0, str(found)
    assert found.text == f"{NAME}\n"


def test_a_name_that_is_nobodys(pair: Pair, programs: Programs) -> None:
    found = torsocks(programs, pair, "getent", "ahostsv4", "nobody.invalid")
    assert found.status == NOT_FOUND, str(found)
