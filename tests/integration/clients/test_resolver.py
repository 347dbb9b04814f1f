"""The system's resolver in a guest with no network, by the guest's DNS port and a DNS server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.integration.clients.support.command import Finished, Programs
from tests.integration.clients.support.dns_server import (
    IPV4,
    IPV6,
    NAME,
    WIDE,
    WIDE_NAME,
    dns_server,
)
from tests.integration.support.layouts import LAYOUTS
from tests.integration.support.namespaces import offline
from tests.integration.support.pair import ALLOW_LOOPBACK, GuestProgram, Pair

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

NOT_FOUND = 2
"""getent's exit status for a key that is unknown."""

SETTINGS = {"resolv.conf": "nameserver 127.0.0.1\n", "nsswitch.conf": "hosts: files dns\n"}
"""The first is what the document says; the second is Debian's own, whatever this machine has."""

GUEST = (sys.executable, "-m", "vsocks", "guest", "--dns", "127.0.0.1:53")


def in_a_guest(folder: Path) -> tuple[str, ...]:
    """A command prefix: no network but a loopback of its own, and those settings in /etc."""
    for name, text in SETTINGS.items():
        (folder / name).write_text(text)
    mounts = [f'mount --bind "$0/{name}" /etc/{name}' for name in SETTINGS]
    script = " && ".join([*mounts, 'exec "$@"'])
    return (*offline(), "unshare", "--mount", "sh", "-c", script, str(folder))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """In session; the host asks a DNS server of its own."""
    guest = GuestProgram((*in_a_guest(tmp_path), *GUEST), environment={}, ends_on=SIGTERM)
    with dns_server(tmp_path) as port, LAYOUTS["unix-guest-listens"](tmp_path) as ends:
        options = (*ALLOW_LOOPBACK, "--dns-server", f"127.0.0.1:{port}")
        with Pair(ends, tmp_path, host_options=options, guest_program=guest) as pair:
            yield pair.start()


def inside(programs: Programs, pair: Pair, *command: str) -> Finished:
    """Run it in the guest."""
    namespaces = ("--user", "--net", "--mount", "--preserve-credentials")
    return programs.run("nsenter", "--target", str(pair.guest.pid), *namespaces, *command)


def getent(programs: Programs, pair: Pair, *key: str) -> Finished:
    """Look it up in the guest."""
    return inside(programs, pair, "getent", *key)


def addresses(found: Finished) -> set[str]:
    """Those that getent printed."""
    assert found.status == 0, str(found)
    return {line.split()[0] for line in found.text.splitlines()}


def test_a_name(pair: Pair, programs: Programs) -> None:
    assert addresses(getent(programs, pair, "ahosts", NAME)) == {IPV4, IPV6}
    assert addresses(getent(programs, pair, "hosts", NAME)) == {IPV6}


def test_an_address(pair: Pair, programs: Programs) -> None:
    assert NAME in getent(programs, pair, "hosts", IPV4).text.split()


def test_a_name_with_many_addresses(pair: Pair, programs: Programs) -> None:
    """They do not fit into a datagram, so that the resolver has to ask again by TCP."""
    assert addresses(getent(programs, pair, "ahosts", WIDE_NAME)) == set(WIDE)


def test_a_name_that_is_nobodys(pair: Pair, programs: Programs) -> None:
    found = getent(programs, pair, "hosts", "nobody.test")
    assert (found.status, found.text) == (NOT_FOUND, "")


def test_addresses_of_one_kind_as_the_guest_has_them(pair: Pair, programs: Programs) -> None:
    """For that (AI_ADDRCONFIG) glibc doesn't count loopback; an interface of any kind is enough."""
    assert getent(programs, pair, "ahostsv4", NAME).status == NOT_FOUND
    for words in (
        ("link", "add", "vsocks0", "type", "bridge"),
        ("address", "add", "192.0.2.1/32", "dev", "vsocks0"),
        ("link", "set", "vsocks0", "up"),
    ):
        done = inside(programs, pair, "ip", *words)
        if "not supported" in done.errors or "Unknown device type" in done.errors:
            pytest.skip(f"an interface of that kind can't be made here: {done.errors}")
        assert done.status == 0, str(done)
    assert addresses(getent(programs, pair, "ahostsv4", NAME)) == {IPV4}
