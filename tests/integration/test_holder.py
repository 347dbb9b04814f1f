"""The channel's connection outlives the host daemon: QEMU, or whoever is there, notices nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psutil
import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo, source
from tests.integration.support.daemon import Daemon
from tests.integration.support.service_manager import ServiceManager
from tests.integration.support.transfer import ENDLESS, request
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support import socks
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import Reply
from vsocks.channel.holder_keeper import VARIABLE, holder_names

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

TAKEN_UP = "taking up the connection that the last daemon left"
FAR_END_LOST = r"channel closed"
KILLS = 5
NUMBERS = count(1)


@contextmanager
def far_end(directory: Path) -> Iterator[tuple[str, socket.socket]]:
    """A channel whose other end, as QEMU does, serves one connection at a time."""
    path = directory / "chardev"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(DEADLINE)
        yield f"unix:{path}", listener


@pytest.fixture
def patience(request: pytest.FixtureRequest) -> str:
    """The seconds of a holder of the test's own: daemons of other tests share one of a minute."""
    whole = getattr(request, "param", 60)
    return f"{whole}.{next(NUMBERS):02}{os.getpid()}"


def host(channel: str, directory: Path, **environment: str) -> Daemon:
    return Daemon(("host", "--channel", channel), directory / "host.log", environment=environment)


@pytest.mark.parametrize("layout", ["unix-guest-listens", "tcp-guest-listens", "unix-host-listens"])
def test_killed_in_the_middle_of_traffic(
    start_pair: StartPair, serve: StartTarget, layout: str
) -> None:
    pair = start_pair(layout)
    target = serve(source)
    for _ in range(KILLS):
        since = len(pair.guest.lines)
        with socks.connect(pair.proxy, target.address) as sock:
            request(sock, 1, ENDLESS)
            receive_exactly(sock, 1_000_000)
            pair.host.kill()
            pair.start_host()
            pair.wait_session(guest_since=since)
        pair.host.wait_for_log(TAKEN_UP)
    assert not [line for line in pair.guest.lines if FAR_END_LOST in line]
    assert socks.ask(pair.proxy, serve(echo).address) == Reply.SUCCEEDED


def test_nobody_holds_it_if_told_so(start_pair: StartPair) -> None:
    pair = start_pair(host_options=("--no-hold",))
    pair.host.kill()
    pair.guest.wait_for_log(FAR_END_LOST)


def test_an_orderly_end_leaves_nothing_behind(tmp_path: Path, patience: str) -> None:
    with far_end(tmp_path) as (channel, listener):
        with host(channel, tmp_path, **{VARIABLE: patience}) as daemon:
            connection, _ = listener.accept()
            with connection:
                [holder] = holders_of(daemon)
                daemon.stop()
                connection.settimeout(DEADLINE)
                assert connection.recv(1) == b""
        assert holder.wait(DEADLINE) in {0, None}


def test_a_far_end_that_ends_is_let_go(tmp_path: Path, patience: str) -> None:
    with (
        far_end(tmp_path) as (channel, listener),
        host(channel, tmp_path, **{VARIABLE: patience}) as daemon,
    ):
        connection, _ = listener.accept()
        [holder] = holders_of(daemon)
        daemon.kill()
        assert holder.is_running()
        connection.close()
        assert holder.wait(DEADLINE) in {0, None}


@pytest.mark.parametrize("patience", [1], indirect=True)
def test_what_nobody_takes_up_is_read_until_it_is_quiet_and_closed(
    tmp_path: Path, patience: str
) -> None:
    """Backpressure holds the far end before: nothing is lost that it could not send."""
    with (
        far_end(tmp_path) as (channel, listener),
        host(channel, tmp_path, **{VARIABLE: patience}) as daemon,
    ):
        connection, _ = listener.accept()
        with connection:
            [holder] = holders_of(daemon)
            daemon.kill()
            connection.settimeout(DEADLINE)
            connection.sendall(bytes(4_000_000))
            assert connection.recv(1) == b""
        assert holder.wait(DEADLINE) in {0, None}


def test_the_next_daemon_gets_it_while_the_far_end_waits_in_a_write(
    tmp_path: Path, patience: str
) -> None:
    with far_end(tmp_path) as (channel, listener):
        with host(channel, tmp_path, **{VARIABLE: patience}) as first:
            connection, _ = listener.accept()
            holders_of(first)
            first.kill()
        with connection, host(channel, tmp_path, **{VARIABLE: patience}) as second:
            second.wait_for_log(TAKEN_UP)
            connection.settimeout(DEADLINE)
            connection.sendall(b"\xff" * 4_000_000)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be a stranger")
def test_a_stranger_is_given_nothing(tmp_path: Path, patience: str) -> None:
    with (
        far_end(tmp_path) as (channel, listener),
        host(channel, tmp_path, **{VARIABLE: patience}) as daemon,
    ):
        connection, _ = listener.accept()
        holders_of(daemon)
        stranger = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with connection, stranger:
            os.seteuid(65534)
            try:
                stranger.connect(holder_names(0, patience)[0])
            finally:
                os.seteuid(0)
            stranger.settimeout(DEADLINE)
            assert _answer(stranger, b"take anything") == b""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be a stranger")
def test_a_stranger_who_has_the_name_is_given_nothing(tmp_path: Path, patience: str) -> None:
    with (
        far_end(tmp_path) as (channel, listener),
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger,
    ):
        stranger.bind(holder_names(0, patience)[0])
        os.seteuid(65534)
        try:
            stranger.listen()
        finally:
            os.seteuid(0)
        with host(channel, tmp_path, **{VARIABLE: patience}) as daemon:
            connection, _ = listener.accept()
            with connection:
                holders_of(daemon)
                assert not received(stranger)


def test_the_service_managers_store(tmp_path: Path) -> None:
    """It outlives a kill and an orderly end alike; the guest is told goodbye all the same."""
    with ServiceManager(tmp_path) as manager, far_end(tmp_path) as (channel, listener):
        with host(channel, tmp_path, **manager.environment) as first:
            connection, _ = listener.accept()
            manager.wait_told("FDSTORE=1")
            assert not psutil.Process(first.pid).children()
            first.stop()
        with connection:
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)
            [(name, fd)] = manager.kept.items()
            with started_by(manager, name, fd, channel, tmp_path) as second:
                second.wait_for_log(TAKEN_UP)
                second.kill()
                assert manager.kept
        eventually(lambda: _empty(manager))


def started_by(
    manager: ServiceManager, name: str, fd: int, channel: str, directory: Path
) -> Daemon:
    """As systemd does it: the descriptor is 3, and the process knows that it is meant."""
    return Daemon(
        ("host", "--channel", channel),
        directory / "second.log",
        prefix=("bash", "-c", f'exec 3<&{fd}; LISTEN_PID=$$ exec "$@"', "bash"),
        environment={**manager.environment, "LISTEN_FDS": "1", "LISTEN_FDNAMES": name},
        pass_fds=(fd,),
    )


def _answer(holder: socket.socket, packet: bytes) -> bytes:
    """What it says; nothing if it hangs up."""
    try:
        holder.send(packet)
        return holder.recv(100)
    except OSError:
        return b""


def _empty(manager: ServiceManager) -> None:
    assert not manager.kept


def holders_of(daemon: Daemon) -> list[psutil.Process]:
    """The processes that a daemon has started, once the channel is in their hands."""
    daemon.wait_for_log("channel open")
    return psutil.Process(daemon.pid).children()


def received(stranger: socket.socket) -> list[bytes]:
    """What has come to a stranger's socket so far."""
    stranger.setblocking(False)
    packets: list[bytes] = []
    while True:
        try:
            caller, _ = stranger.accept()
        except BlockingIOError:
            return packets
        with caller:
            data = caller.recv(100)
            packets += [data] if data else []
