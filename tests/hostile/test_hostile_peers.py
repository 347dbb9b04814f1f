"""Whatever the other end of the channel does, for however long, a daemon serves, and ends."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import pytest

from tests.hostile import crowd
from tests.hostile.crowd import Crowd
from tests.hostile.ground import LOOPBACK_ONLY, ground
from tests.hostile.judge import Judge
from tests.hostile.peer import HONEST, Peer
from tests.integration.support import http_client
from tests.integration.support.alone import dialled_guest, dialled_host
from tests.integration.support.layouts import free_port
from tests.support import socks
from tests.support.socks_messages import Address
from vsocks.protocol.handshake import Role

SECONDS = float(os.environ.get("HOSTILE_SECONDS", "4"))
SEED = int(os.environ.get("HOSTILE_SEED", random.SystemRandom().randrange(1_000_000)))
#: Seconds in which a daemon is asked to end while the peer goes on.
LAST = 0.5
#: Small, so that they run out.
STREAMS = ("--max-streams", "24")
FORWARDING = r"forwarding 127\.0\.0\.1:(\d+) to {}"

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2 * SECONDS + 180)]


def test_a_host_outlives_a_hostile_guest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ground() as field:
        options = [
            *LOOPBACK_ONLY,
            *("--forward", f"127.0.0.1:0:{HONEST}"),
            *("--forward", f"127.0.0.1:0:{field.servers[0]}"),
            *("--allow-bind", "127.0.0.1", "--dns-server", str(field.nameserver)),
            *("--max-associations", "8", *STREAMS),
        ]
        with dialled_host(tmp_path, *options) as (host, dial):
            judge = Judge(host, Role.GUEST, dial)
            honest, other = (
                ("127.0.0.1", int(host.wait_for_log(FORWARDING.format(target))[1]))
                for target in (HONEST, field.servers[0])
            )
            clients = Crowd([crowd.plain(other)], SEED)
            with said(capsys, judge):
                with Peer(Role.GUEST, dial, field, SEED) as peer, clients:
                    judge.watch(SECONDS, lambda: is_reset(honest))
                judge.settle()
                with Peer(Role.GUEST, dial, field, SEED + 1):
                    judge.watch(LAST, lambda: is_reset(honest))
                    host.stop()
            with capsys.disabled():
                print(f"  {peer}")


def test_a_guest_outlives_a_hostile_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dns_door = ("127.0.0.1", free_port())
    with ground() as field:
        exposed = [part for target in field.servers for part in ("--expose", str(target))]
        options = [*exposed, "--dns", f"127.0.0.1:{dns_door[1]}", *STREAMS]
        with dialled_guest(tmp_path, *options) as (guest, proxy, dial):
            judge = Judge(guest, Role.HOST, dial)
            visits = [
                crowd.by_socks(proxy, field.targets),
                crowd.by_http(proxy, field.targets),
                crowd.by_datagrams(proxy, field.datagrams),
                crowd.by_dns(dns_door),
                crowd.plain(proxy),
            ]
            knocks = (lambda: is_answered(proxy), lambda: shows_its_page(proxy))
            with said(capsys, judge):
                with Peer(Role.HOST, dial, field, SEED) as peer, Crowd(visits, SEED):
                    peer.questions.append(bytes(dns.message.make_query("a.test", "A").to_wire()))
                    judge.watch(SECONDS, *knocks)
                judge.settle()
                with Peer(Role.HOST, dial, field, SEED + 1):
                    judge.watch(LAST, *knocks)
                    guest.stop()
            with capsys.disabled():
                print(f"  {peer}")


@contextmanager
def said(capsys: pytest.CaptureFixture[str], judge: Judge) -> Iterator[None]:
    """Say which dice these are, and how it went."""
    with capsys.disabled():
        print(f"\nHOSTILE_SEED={SEED}, {SECONDS:g} s ", end="", flush=True)
    try:
        yield
    except BaseException as error:
        error.add_note(f"again with HOSTILE_SEED={SEED} HOSTILE_SECONDS={SECONDS:g}; {judge}")
        raise
    with capsys.disabled():
        print(f"\n  {judge}")


def is_reset(door: Address) -> None:
    """A client of the host's forward is told that nobody is there, and is not left waiting."""
    try:
        with socks.dial(door) as client:
            assert client.recv(1) == b"", "something came, and nobody is there to say it"
    except ConnectionResetError:
        return


def is_answered(proxy: Address) -> None:
    """A SOCKS client gets a reply, be it a refusal."""
    socks.ask(proxy, (HONEST.host, HONEST.port))


def shows_its_page(proxy: Address) -> None:
    """The guest's own page needs nobody else."""
    assert http_client.status_page(proxy)["Version"]
