"""What happens to the whole machine: too little memory, a hang, an old state, a disk read-only.

As in test_faults.py: not one byte is wrong, what must end ends on both sides, a new session comes
by itself, and new connections carry data.
"""

from __future__ import annotations

import re
import time

import pytest

from harness.debian import LOGS, Debian
from harness.process import HostProcess
from tests.e2e.rig import LOST, SOON, UP, Client, Rig

pytestmark = pytest.mark.e2e

SPARE = 64
"""Megabytes that a squeezed guest still has for programs."""
HANG = 9.0
"""Seconds: longer than the silence after which a daemon gives a session up."""
HOUR = 3600
ROUNDS = 4
"""Of eight connections each, which make more log than what a full disk still takes: 4 KiB."""


def test_memory_taken_and_given_back(rig: Rig) -> None:
    guest, host, client = rig.in_flow()
    mark = host.log.mark()
    available = squeezable(rig) - SPARE
    with rig.vm.squeezed(available):
        rig.note(f"{available} MB taken, {squeezable(rig)} MB left")
        rig.check_transfers_work()
        rig.check_still_flowing(client)
    rig.check_transfers_work()
    rig.check_still_flowing(client)
    assert host.log.find(LOST, after=mark) == []
    assert guest.is_running()


def test_a_guest_daemon_that_hangs(rig: Rig) -> None:
    guest, host, client = rig.in_flow()
    mark = host.log.mark()
    stopped = time.monotonic()
    guest.kill("STOP")
    noticed(rig, host, mark, stopped)
    guest.kill("CONT")
    back(rig, host, mark, time.monotonic(), client)


def test_a_guest_in_which_no_program_has_a_turn(rig: Rig) -> None:
    _guest, host, client = rig.in_flow()
    mark = host.log.mark()
    linux(rig).hang(HANG)
    assert host.log.find(LOST, after=mark)
    back(rig, host, mark, time.monotonic(), client)


def test_qemu_that_hangs(rig: Rig) -> None:
    _guest, host, client = rig.in_flow()
    mark = host.log.mark()
    stopped = time.monotonic()
    rig.vm.freeze()
    noticed(rig, host, mark, stopped)
    rig.vm.thaw()
    back(rig, host, mark, time.monotonic(), client)


def test_a_snapshot_that_is_an_hour_old(rig: Rig) -> None:
    """By the clock of the guest, which is set right in the end, as an agent in it would do."""
    set_clock_by(rig, -HOUR)
    guest, host, client = rig.in_flow()
    rig.vm.save_snapshot("an-hour-ago")
    set_clock_by(rig, HOUR)
    rig.transfer_without_end()
    rig.put_back("an-hour-ago", guest, host, client)
    mark = host.log.mark()
    client = rig.transfer_without_end()
    set_clock_by(rig, HOUR)
    rig.check_transfers_work()
    rig.check_still_flowing(client)
    assert host.log.find(LOST, after=mark) == []


def test_a_disk_that_becomes_read_only_under_the_guest_s_log(rig: Rig) -> None:
    """Linux goes on taking what is written to a file that is open: nothing is even lost."""
    _guest, host, client = rig.in_flow()
    mark = host.log.mark()
    elsewhere(rig)
    rig.guest.succeed("echo u > /proc/sysrq-trigger")
    rig.guest.wait_until_succeeds("grep -q '^/dev/vda / .*[ ,]ro,' /proc/mounts")
    rig.guest.fail("touch /var/lib/anything")
    rig.check_transfers_work()
    rig.guest.succeed("mount -o remount,rw /")
    rig.check_transfers_work()
    rig.check_still_flowing(client)
    assert host.log.find(LOST, after=mark) == []


def test_a_disk_that_is_full_under_the_guest_s_log(rig: Rig) -> None:
    """A program in Wine writes to a pipe, whose reader ends then: it goes on all the same."""
    small = f"{linux(rig).scratch}/small"
    rig.guest.succeed(
        f"mkdir -p {small} {LOGS} && mount -t tmpfs -o size=64k tmpfs {small}"
        f" && mount --bind {small} {LOGS}"
    )
    guest, host, client = rig.in_flow()
    mark = host.log.mark()
    elsewhere(rig)
    rig.guest.fail(f"cat /dev/zero > {small}/ballast")
    for _ in range(ROUNDS):
        rig.check_transfers_work()
    rig.guest.succeed(f"rm {small}/ballast")
    rig.check_transfers_work()
    rig.check_still_flowing(client)
    assert host.log.find(LOST, after=mark) == []
    if rig.guest.notices_absence:
        told = guest.log.wait(r"could not be written: \d+; the last one: No space", timeout=SOON)
        rig.note(re.findall(r"lines of .*left", told.text)[0])


def noticed(rig: Rig, host: HostProcess, mark: int, stopped: float) -> None:
    """The host has given the session up, and closed what was open to targets."""
    lost = host.log.wait(LOST, timeout=SOON, after=mark)
    rig.note(f"noticed after {lost.at - stopped:.1f} s")
    rig.target.wait_all_ended(SOON)


def back(rig: Rig, host: HostProcess, mark: int, there: float, client: Client) -> None:
    """A new session stands, and the old connections have ended in the guest, too."""
    rig.report_session(there, host.log.wait(UP, timeout=SOON, after=mark).at)
    rig.check_old_connections_closed(client)
    rig.check_transfers_work()


def linux(rig: Rig) -> Debian:
    """The guest, whose system is ours to spoil."""
    if not isinstance(rig.guest, Debian):
        pytest.skip("this guest is no Debian")
    return rig.guest


def squeezable(rig: Rig) -> int:
    """Megabytes that the guest's programs could still have."""
    linux(rig).succeed("modprobe virtio_balloon")
    found = re.search(r"MemAvailable: +(\d+) kB", rig.guest.succeed("cat /proc/meminfo"))
    assert found
    return int(found[1]) // 1024


def set_clock_by(rig: Rig, seconds: int) -> None:
    """Set the guest's clock ahead, or back."""
    linux(rig).succeed(f"date -s @$(($(date +%s) + {seconds}))")


def elsewhere(rig: Rig) -> None:
    """What is started from now on logs to another disk; the daemon's file stays where it was."""
    linux(rig).succeed(f"mount -t tmpfs tmpfs {LOGS}")
