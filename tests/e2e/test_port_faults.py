"""What is done to the port, the machine and its clock from outside, under traffic.

As in test_faults.py: the old connections end on both sides, not one byte of them was wrong, a new
session comes by itself, and new connections carry data.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from harness.guest import GuestProcess
from harness.process import HostProcess
from harness.relay import Relay
from tests.e2e.rig import LOST, SOON, START, UP, Client, Rig, when

pytestmark = pytest.mark.e2e

PANIC = "Kernel panic"
SLOW = 400_000
"""Bytes a second, the speed of a line rather than of a pipe."""
LATE = 0.05
"""Seconds in each direction."""
CUTS = (1, 23, 4_099, 70_001, 300_007)
"""Bytes after the session stands: within a header, within a frame, between them."""
HOUR = 3600


@pytest.fixture
def linux_rig(debian_rig: Rig, vm_note: Callable[[str], None]) -> Rig:
    """With the Linux guest alone, for what ends in a boot: the kernel is the same for both."""
    debian_rig.note = vm_note
    return debian_rig


def taken_and_given(rig: Rig, take: Callable[[], None], give: Callable[[], None]) -> None:
    """What is under the channel goes during traffic, and comes again."""
    guest, _host, client = rig.in_flow()
    lost = guest.log.mark()
    take()
    guest.log.wait(LOST, timeout=SOON, after=lost)
    given = time.monotonic()
    give()
    up_again(rig, guest, lost, given)
    works_again(rig, client)


def test_port_unplugged_and_plugged_again(rig: Rig) -> None:
    taken_and_given(rig, rig.vm.unplug_port, rig.vm.plug_port)


def test_port_unplugged_while_no_host_is_there(rig: Rig) -> None:
    """A guest daemon that waits for a host has the port open: it must let the dead one go."""
    mark = rig.vm.qmp.mark()
    guest = rig.start_guest()
    rig.vm.wait_port(opened=True, timeout=SOON, after=mark)
    mark = rig.vm.qmp.mark()
    rig.vm.unplug_port()
    rig.vm.plug_port()
    rig.vm.wait_port(opened=True, timeout=SOON, after=mark)
    host = rig.start_host()
    host.log.wait(UP, timeout=SOON)
    guest.log.wait(UP, timeout=SOON)
    rig.check_transfers_work()


def test_controller_unplugged_and_plugged_again(rig: Rig) -> None:
    taken_and_given(rig, rig.vm.unplug_controller, rig.vm.plug_controller)


def test_chardev_taken_away_and_given_back(linux_rig: Rig) -> None:
    """A program in Wine can't notice it: see WineGuest.notices_absence."""
    taken_and_given(linux_rig, linux_rig.vm.take_chardev, linux_rig.vm.give_chardev)


def test_machine_migrated_to_another_qemu(rig: Rig) -> None:
    guest, host, client = rig.in_flow()
    mark = host.log.mark()
    began = time.monotonic()
    ran_on = rig.vm.migrate()
    rig.note(f"moved in {ran_on - began:.1f} s")
    host.log.wait(LOST, timeout=SOON, after=mark)
    up = host.log.wait(UP, timeout=SOON, after=mark)
    rig.report_session(ran_on, up.at)
    rig.reach_again()
    rig.follow_again(guest, client.process)
    works_again(rig, client)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["ahead", "back"])
def test_the_guest_s_clock_jumps(rig: Rig, seconds: int) -> None:
    _guest, host, client = rig.in_flow()
    mark = host.log.mark()
    rig.guest.succeed(f"date -s @$(($(date +%s) + {seconds}))")
    rig.check_transfers_work()
    rig.check_still_flowing(client)
    assert host.log.find(LOST, after=mark) == []


def test_a_port_that_is_slow_and_late(rig: Rig) -> None:
    with Relay(rig.vm.folder / "relay.sock", rig.vm.socket(), rate=SLOW, delay=LATE) as relay:
        guest = rig.start_guest()
        host = rig.start_host(channel=relay.path)
        host.log.wait(UP, timeout=SOON)
        client = rig.client("BOTH", connections=2, length=SLOW)
        for ended in client.wait("ended", 2, timeout=2 * START):
            assert (ended["how"], ended["wrong"]) == ("eof", ""), ended
        assert guest.log.find(LOST) == []
        rig.check_no_wrong_byte()


def test_a_port_that_is_cut_at_any_byte(rig: Rig) -> None:
    with Relay(rig.vm.folder / "relay.sock", rig.vm.socket()) as relay:
        rig.start_guest()
        host = rig.start_host(channel=relay.path)
        host.log.wait(UP, timeout=SOON)
        uploader = rig.start_uploader()
        seconds = []
        for number, cut in enumerate(CUTS, 1):
            rig.target.wait_begun(number, START)
            mark = host.log.mark()
            relay.cut_after(cut)
            lost = host.log.wait(LOST, timeout=SOON, after=mark)
            seconds.append(host.log.wait(UP, timeout=SOON, after=mark).at - lost.at)
        rig.note(f"session after {min(seconds):.2f} to {max(seconds):.2f} s")
        assert relay.cuts == len(CUTS)
        uploader.kill()
        rig.check_transfers_work()


@pytest.mark.parametrize("cause", ["NMI", "sysrq"])
def test_a_guest_that_crashes_and_boots_again(linux_rig: Rig, cause: str) -> None:
    rig = linux_rig
    _guest, host, _client = rig.in_flow()
    mark, event, console = host.log.mark(), rig.vm.qmp.mark(), rig.vm.console.mark()
    if cause == "NMI":
        rig.guest.succeed("echo 1 > /proc/sys/kernel/unknown_nmi_panic")
        rig.vm.inject_nmi()
    else:
        rig.guest.start("crash", "sh -c 'sleep 1; echo c > /proc/sysrq-trigger'")
    rig.vm.console.wait(PANIC, timeout=SOON, after=console)
    console = rig.vm.console.mark()
    rig.vm.wait_until_reset(SOON, event)
    rig.vm.wait_until_booted(after=console)
    comes_back(rig, host, mark)


def test_qemu_killed_and_started_again(linux_rig: Rig) -> None:
    rig = linux_rig
    _guest, host, _client = rig.in_flow()
    mark, console = host.log.mark(), rig.vm.console.mark()
    rig.vm.cut_power()
    host.log.wait(LOST, timeout=SOON, after=mark)
    rig.vm.boot_again()
    rig.vm.wait_until_booted(after=console)
    comes_back(rig, host, mark)


def up_again(rig: Rig, guest: GuestProcess, lost: int, there: float) -> None:
    """A session stands; `there` is when the port was."""
    rig.report_session(there, guest.log.wait(UP, timeout=SOON, after=lost).at)


def works_again(rig: Rig, client: Client) -> None:
    rig.check_old_connections_closed(client)
    rig.check_transfers_work()


def comes_back(rig: Rig, host: HostProcess, mark: int) -> None:
    """The guest has booted: its daemon is started, the host's was there all the time."""
    rig.reach_again()
    guest = rig.start_guest()
    listening = guest.log.wait("listening on", timeout=SOON)
    rig.report_session(when(listening), when(guest.log.wait(UP, timeout=SOON)))
    host.log.wait(LOST, timeout=SOON, after=mark)
    host.log.wait(UP, timeout=SOON, after=mark)
    # Of the old connections only the host's half can still be asked: the guest has forgotten all.
    rig.target.wait_all_ended(SOON)
    rig.check_transfers_work()
