"""SIGTERM and SIGINT end a daemon cleanly, whatever it is doing."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.alone import lone_host
from tests.integration.support.behaviours import Holder, echo, source
from tests.integration.support.daemon import Daemon
from tests.integration.support.original_wire import HEADER, encode_target
from tests.integration.support.targets import silent_port
from tests.integration.support.transfer import ENDLESS, request
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import encode_request

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ENDING_SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@ENDING_SIGNALS
@pytest.mark.parametrize("first", ["guest", "host"])
def test_a_signal_ends_it_with_streams_open(
    start_pair: StartPair, serve: StartTarget, number: signal.Signals, first: str
) -> None:
    pair = start_pair()
    holder = Holder()
    busy, idle = serve(source), serve(holder)
    with (
        socks.connect(pair.proxy, busy.address) as downloading,
        socks.connect(pair.proxy, busy.address) as stalled,
        socks.connect(pair.proxy, idle.address),
        socks.dial(pair.proxy),
        silent_port() as silent,
        socks.dial(pair.proxy) as dialling,
    ):
        socks.greet(dialling)
        dialling.sendall(encode_request(silent))
        for sock in (downloading, stalled):
            request(sock, 1, ENDLESS)
        receive_exactly(downloading, 5_000_000)
        order = [pair.guest, pair.host] if first == "guest" else [pair.host, pair.guest]
        for daemon in order:
            daemon.stop(number)
    holder.go.set()


@ENDING_SIGNALS
@pytest.mark.parametrize("command", ["guest", "host"])
@pytest.mark.parametrize("spec", ["unix:{}/absent", "unix-listen:{}/alone", "tcp:127.0.0.1:1"])
def test_a_signal_ends_it_with_no_peer(
    tmp_path: Path, number: signal.Signals, command: str, spec: str
) -> None:
    listen = ("--listen", "127.0.0.1:0") if command == "guest" else ()
    arguments = (command, "-v", "--channel", spec.format(tmp_path), *listen)
    with Daemon(arguments, tmp_path / "daemon.log") as daemon:
        daemon.wait_for_log(".")
        daemon.stop(number)


@pytest.mark.parametrize("attempt", range(6))
def test_a_signal_at_the_moment_when_the_channel_breaks(
    tmp_path: Path, serve: StartTarget, attempt: int
) -> None:
    """Two reasons to end at once: neither may swallow the other."""
    opening = encode_target(*serve(echo).address)
    with lone_host(tmp_path, "--wire", "original") as (host, channel):
        channel.sendall(HEADER.pack(0, len(opening)) + opening + HEADER.pack(0, 5) + b"hello")
        assert receive_exactly(channel, 9)[4:] == b"hello"
        channel.close()
        host.stop()


@pytest.mark.parametrize("command", ["guest", "host"])
def test_a_hangup_ends_nobody(tmp_path: Path, command: str) -> None:
    listen = ("--listen", "127.0.0.1:0") if command == "guest" else ()
    arguments = (command, "--channel", f"unix-listen:{tmp_path}/channel", *listen)
    with Daemon(arguments, tmp_path / "daemon.log") as daemon:
        daemon.wait_for_log("waiting for the channel")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_log("SIGHUP: there is nothing to read anew")


def test_the_host_leaves_nothing_unread_that_the_guest_has_sent(tmp_path: Path) -> None:
    """QEMU would never return to the guest what it couldn't deliver."""
    with lone_host(tmp_path) as (host, channel):
        host.wait_for_log("channel open")
        host.signal(signal.SIGSTOP)
        channel.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                channel.send(bytes(10_000))
        channel.settimeout(DEADLINE)
        host.signal(signal.SIGTERM)
        host.signal(signal.SIGCONT)
        while channel.recv(10_000):
            pass  # what it says before its end, which is no reset
        assert host.wait() == 0
