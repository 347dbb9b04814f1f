"""The guest's port outlives any number of host daemons that end during an upload.

Each time QEMU has a write of the guest's in its hands. If the host's end were closed then, QEMU
would never give it back, and a port has room for 128.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from harness.process import HostProcess
from tests.e2e.rig import SOON, START, UP, Rig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200, func_only=True)]

ENDINGS = 200
"""More than a port has room for what is lost at one each."""


def test_host_daemon_killed_many_times_during_an_upload(rig: Rig) -> None:
    _end_many_times(rig, _kill)


def test_host_daemon_ended_many_times_in_the_orderly_way_with_nobody_to_hold(rig: Rig) -> None:
    _end_many_times(rig, _end, "--no-hold")


def _kill(host: HostProcess) -> None:
    host.kill()


def _end(host: HostProcess) -> None:
    host.signal("TERM")
    assert host.kill("CONT") == 0


def _end_many_times(rig: Rig, end: Callable[[HostProcess], None], *options: str) -> None:
    rig.start_guest()
    uploader = rig.start_uploader()
    began = time.monotonic()
    for number in range(1, ENDINGS + 1):
        host = rig.start_host(*options)
        host.log.wait(UP, timeout=SOON)
        rig.target.wait_begun(number, START)
        host.signal("STOP")
        rig.wait_for_writes_that_qemu_keeps(some=True)
        end(host)
    rig.note(f"{(time.monotonic() - began) / ENDINGS:.2f} s each")
    uploader.kill()
    rig.start_host()
    rig.check_transfers_work()
    rig.wait_for_writes_that_qemu_keeps(some=False)
