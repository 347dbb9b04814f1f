"""Sessions come and go with the daemons, in any order, and the proxy says so at once."""

from __future__ import annotations

import random
import signal

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.alone import connect_unix
from tests.integration.support.behaviours import echo, sink, source
from tests.integration.support.load import Load
from tests.integration.support.pair import SESSION_LOST, SESSION_UP, Pair
from tests.integration.support.targets import Target
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

AT_ONCE = 5.0
UNIX = ["unix-guest-listens", "unix-host-listens"]


def _echoes(pair: Pair, target: Target) -> None:
    with socks.connect(pair.proxy, target.address) as sock:
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"


@pytest.mark.parametrize("layout", UNIX)
def test_refused_at_once_until_the_host_comes(
    start_pair: StartPair, serve: StartTarget, layout: str
) -> None:
    pair, target = start_pair(layout, start=False), serve(echo)
    pair.start_guest()
    for _ in range(3):
        reply = socks.ask(pair.proxy, target.address, deadline=AT_ONCE)
        assert reply == Reply.GENERAL_FAILURE
    pair.start_host()
    pair.wait_session()
    _echoes(pair, target)


@pytest.mark.parametrize("layout", UNIX)
def test_the_host_first(start_pair: StartPair, serve: StartTarget, layout: str) -> None:
    pair, target = start_pair(layout, start=False), serve(echo)
    host = pair.start_host()
    if layout == "unix-host-listens":
        # Connecting proves that it is up and waiting; with no guest there is nothing to log yet.
        connect_unix(pair.directory / "channel", host).close()
    pair.start_guest()
    pair.wait_session()
    _echoes(pair, target)


@pytest.mark.parametrize("restarted", ["guest", "host"])
@pytest.mark.parametrize("layout", ["unix-guest-listens", "unix-host-listens", "serial"])
def test_either_may_be_restarted(
    start_pair: StartPair, serve: StartTarget, layout: str, restarted: str
) -> None:
    pair, target = start_pair(layout), serve(echo)
    survivor = pair.host if restarted == "guest" else pair.guest
    since = len(survivor.lines)
    with socks.connect(pair.proxy, target.address) as sock:
        (pair.guest if restarted == "guest" else pair.host).stop()
        survivor.wait_for_log(SESSION_LOST, since=since)
        with pytest.raises(ConnectionResetError):
            assert sock.recv(1) != b"", "a connection that was cut must not seem to have ended"
    if restarted == "guest":
        pair.start_guest()
        pair.wait_session(host_since=since)
    else:
        reply = socks.ask(pair.proxy, target.address, deadline=AT_ONCE)
        assert reply == Reply.GENERAL_FAILURE
        pair.start_host()
        pair.wait_session(guest_since=since)
    _echoes(pair, target)


@pytest.mark.parametrize("frozen", ["guest", "host"])
@pytest.mark.parametrize("layout", ["unix-guest-listens", "serial"])
def test_a_frozen_peer_is_noticed_and_taken_back(
    start_pair: StartPair, serve: StartTarget, layout: str, frozen: str
) -> None:
    """As when a VM is paused for longer than the heartbeat, with traffic under way."""
    pair = start_pair(layout)
    source_target, sink_target, echo_target = serve(source), serve(sink), serve(echo)
    asleep, awake = (pair.guest, pair.host) if frozen == "guest" else (pair.host, pair.guest)
    load = Load(pair.proxy, source_target.address, sink_target.address, range(4))
    load.wait_begun()
    load.wait_moved(1_000_000)
    since, asleep_since = len(awake.lines), len(asleep.lines)
    asleep.signal(signal.SIGSTOP)
    try:
        awake.wait_for_log(SESSION_LOST, since=since)
    finally:
        asleep.signal(signal.SIGCONT)
    asleep.wait_for_log(SESSION_UP, since=asleep_since)
    awake.wait_for_log(SESSION_UP, since=since)
    load.join()
    for outcome in sink_target.wait_idle():
        assert not isinstance(outcome, TimeoutError), "an upload hung"
    _echoes(pair, echo_target)


def test_noise_in_the_channel_before_the_host(start_pair: StartPair, serve: StartTarget) -> None:
    pair, target = start_pair(start=False), serve(echo)
    pair.start_guest()
    noise = random.Random(1)
    for size in (1, 4, 100, 70_000):
        with connect_unix(pair.directory / "channel", pair.guest) as channel:
            channel.sendall(noise.randbytes(size))
    pair.start_host()
    pair.wait_session()
    _echoes(pair, target)
