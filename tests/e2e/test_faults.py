"""Whatever breaks, a new session stands soon after, and not one byte goes astray.

Each test has connections with data in both directions, breaks something, and then looks at three
things: the old connections are closed on both sides, a new session came within the goal of both
ends being there, and new connections carry data. All data proves itself
(tests/support/pattern.py).
"""

from __future__ import annotations

import fcntl
import random
import termios

import pytest

from harness.guest import GuestProcess
from harness.process import HostProcess
from tests.e2e.rig import LOST, SOON, UP, Client, Rig, when
from tests.e2e.tap import Tap

pytestmark = pytest.mark.e2e

HEARTBEAT_EXPIRY = 5.0
"""Seconds of silence after which a daemon gives a session up."""
KILLS = 5
ENDINGS = 2
"""How often the host daemon ends during transfers."""
GARBAGE = random.Random(1).randbytes(20_000)


def test_guest_daemon_killed(rig: Rig) -> None:
    guest, host = rig.start_both()
    client = rig.transfer_without_end()
    mark = host.log.mark()
    guest.kill()
    guest = rig.start_guest()
    listening = guest.log.wait("listening on", timeout=SOON)
    rig.report_session(when(listening), when(guest.log.wait(UP, timeout=SOON)))
    host.log.wait(LOST, timeout=SOON, after=mark)
    host.log.wait(UP, timeout=SOON, after=mark)
    rig.check_old_connections_closed(client)
    rig.check_transfers_work()


def test_host_daemon_killed(rig: Rig) -> None:
    guest, host = rig.start_both()
    client = rig.transfer_without_end()
    mark = guest.log.mark()
    host.kill()
    if rig.guest.notices_absence:
        guest.log.wait(LOST, timeout=SOON, after=mark)
    host = rig.start_host()
    opened = host.log.wait("channel open", timeout=SOON)
    rig.report_session(opened.at, host.log.wait(UP, timeout=SOON).at)
    guest.log.wait(LOST, timeout=SOON, after=mark)
    rig.check_old_connections_closed(client)
    rig.check_transfers_work()


def _stopped_in_an_upload(
    rig: Rig, guest: GuestProcess, *options: str
) -> tuple[HostProcess, Client]:
    """A new host daemon, stopped while QEMU has a write of the guest's in its hands."""
    mark = guest.log.mark()
    host = rig.start_host(*options)
    guest.log.wait(UP, timeout=SOON, after=mark)
    client = rig.transfer_without_end()
    host.signal("STOP")
    rig.wait_for_writes_that_qemu_keeps(some=True)
    return host, client


def test_host_daemon_killed_again_and_again_during_an_upload(rig: Rig) -> None:
    """Each time QEMU may keep a write of the guest's for ever; the others go on."""
    guest = rig.start_guest()
    for _ in range(KILLS):
        mark = guest.log.mark()
        host, client = _stopped_in_an_upload(rig, guest, "--no-hold")
        host.kill()
        if rig.guest.notices_absence:
            guest.log.wait(LOST, timeout=SOON, after=mark)
            rig.check_old_connections_closed(client)
    rig.start_host()
    guest.log.wait(UP, timeout=SOON, after=mark)
    rig.check_transfers_work()


def test_host_daemon_ended_in_the_orderly_way_leaves_the_port_whole(rig: Rig) -> None:
    """What it leaves unread QEMU never returns: 128 times that, and the guest's port is dead."""
    guest = rig.start_guest()
    for _ in range(ENDINGS):
        mark = guest.log.mark()
        host, client = _stopped_in_an_upload(rig, guest)
        host.signal("TERM")
        assert host.kill("CONT") == 0
        guest.log.wait(LOST, timeout=SOON, after=mark)
        rig.check_old_connections_closed(client)
    rig.wait_for_writes_that_qemu_keeps(some=False)
    rig.start_host()
    rig.check_transfers_work()


def test_machine_paused_for_longer_than_the_heartbeat(rig: Rig) -> None:
    _guest, host = rig.start_both()
    client = rig.transfer_without_end()
    mark = host.log.mark()
    rig.vm.pause()
    host.log.wait(LOST, timeout=HEARTBEAT_EXPIRY + SOON, after=mark)
    mark = host.log.mark()
    resumed = rig.vm.resume()
    rig.report_session(resumed, host.log.wait(UP, timeout=SOON, after=mark).at)
    rig.check_old_connections_closed(client)
    rig.check_transfers_work()


def test_machine_paused_for_a_moment_keeps_its_connections(rig: Rig) -> None:
    _guest, host = rig.start_both()
    client = rig.transfer_without_end()
    mark = host.log.mark()
    rig.vm.pause()
    rig.vm.resume()
    rig.check_transfers_work()
    rig.check_still_flowing(client)
    assert host.log.find(LOST, after=mark) == []


def test_machine_reset(rig: Rig) -> None:
    _guest, host = rig.start_both()
    rig.transfer_without_end()
    mark = host.log.mark()
    console = rig.vm.console.mark()
    rig.vm.reset()
    rig.vm.wait_until_booted(after=console)
    rig.guest.reconnect()
    guest = rig.start_guest()
    listening = guest.log.wait("listening on", timeout=SOON)
    rig.report_session(when(listening), when(guest.log.wait(UP, timeout=SOON)))
    host.log.wait(LOST, timeout=SOON, after=mark)
    # Of the old connections only the host's half can still be asked: the guest has forgotten all.
    rig.target.wait_all_ended(SOON)
    rig.check_transfers_work()


def test_machine_put_back_to_a_snapshot_under_a_running_host_daemon(rig: Rig) -> None:
    guest, host = rig.start_both()
    client = rig.transfer_without_end()
    rig.vm.save_snapshot("in-session")
    # New connections after the snapshot: the guest that comes back has never heard of them.
    rig.transfer_without_end()
    rig.put_back("in-session", guest, host, client)
    rig.check_transfers_work()


def test_stale_bytes_in_front_of_the_host_s_first(rig: Rig) -> None:
    """Frames of a dead session and garbage wait in the port when both daemons come."""
    stale = bytes(_record_a_session(rig).to_guest[:40_000]) + GARBAGE
    with Tap(rig.vm.folder / "tap2.sock", rig.vm.socket(), to_guest_first=stale) as tap:
        host = rig.start_host(channel=tap.path)
        guest = rig.start_guest()
        listening = guest.log.wait("listening on", timeout=SOON)
        rig.report_session(when(listening), when(guest.log.wait(UP, timeout=SOON)))
        host.log.wait(UP, timeout=SOON)
        rig.check_transfers_work()


def test_stale_bytes_for_the_guest_make_no_session(rig: Rig) -> None:
    """What a dead host daemon once said, handshake included, is no host daemon."""
    stale = bytes(_record_a_session(rig).to_guest[:40_000]) + GARBAGE
    with rig.raw_port() as port:
        port.sendall(stale)
        guest = rig.start_guest()
        while fcntl.ioctl(port, termios.TIOCOUTQ, bytes(4)) != bytes(4):  # not all read yet
            assert port.recv(65536), "the port was closed"
        assert guest.log.find(UP) == []
    host = rig.start_host()
    opened = host.log.wait("channel open", timeout=SOON)
    rig.report_session(opened.at, host.log.wait(UP, timeout=SOON).at)
    guest.log.wait(UP, timeout=SOON)
    rig.check_transfers_work()


def test_stale_bytes_for_the_host_make_no_session(rig: Rig) -> None:
    """What a dead guest daemon once said, and garbage, to a host daemon that waits for one."""
    stale = bytes(_record_a_session(rig).to_host[:200_000]) + GARBAGE
    guest = rig.guest
    guest.upload({"stale": stale}, guest.scratch)
    host = rig.start_host()
    words = (f"{guest.scratch}/stale", guest.port)
    guest.succeed(guest.module_command(rig.scripts, "tests.e2e.port_writer", *words))
    assert host.log.find(UP) == []
    daemon = rig.start_guest()
    listening = daemon.log.wait("listening on", timeout=SOON)
    rig.report_session(when(listening), when(daemon.log.wait(UP, timeout=SOON)))
    host.log.wait(UP, timeout=SOON)
    rig.check_transfers_work()


def test_no_host_at_the_start_and_then_it_comes(rig: Rig) -> None:
    guest = rig.start_guest()
    client = rig.client("DOWN", length=8)
    [refused] = client.wait("refused")
    assert refused["reply"] == 1
    rig.note(f"refused after {refused['seconds']:.2f} s")
    host = rig.start_host()
    opened = host.log.wait("channel open", timeout=SOON)
    rig.report_session(opened.at, host.log.wait(UP, timeout=SOON).at)
    guest.log.wait(UP, timeout=SOON)
    rig.check_transfers_work()


def test_the_host_waits_for_the_guest(rig: Rig) -> None:
    host = rig.start_host()
    guest = rig.start_guest()
    listening = guest.log.wait("listening on", timeout=SOON)
    rig.report_session(when(listening), when(guest.log.wait(UP, timeout=SOON)))
    host.log.wait(UP, timeout=SOON)
    rig.check_transfers_work()


def _record_a_session(rig: Rig) -> Tap:
    """Let a session with data in both directions pass through a tap, then kill both daemons."""
    with Tap(rig.vm.folder / "tap.sock", rig.vm.socket()) as tap:
        guest, host = rig.start_guest(), rig.start_host(channel=tap.path)
        host.log.wait(UP, timeout=SOON)
        client = rig.transfer_without_end()
        guest.kill()
        host.kill()
        rig.check_old_connections_closed(client)
    assert tap.to_guest
    assert tap.to_host
    return tap
