"""A port that QEMU never returns anything to, and how a user brings it back."""

from __future__ import annotations

import re

import pytest

from tests.e2e.rig import SOON, UP, Rig

pytestmark = pytest.mark.e2e

PORT = "/dev/virtio-ports/org.vsocks.0"
DESCRIPTORS = 128
"""Of the queue to the host, in QEMU."""


def test_a_dead_port_is_told_and_brought_back_by_what_the_log_says(debian_rig: Rig) -> None:
    """Each client of QEMU's that goes while it doesn't read costs one of them."""
    rig = debian_rig
    writer = rig.guest.start("writer", f"dd if=/dev/zero of={PORT} bs=4096")
    for lost in range(DESCRIPTORS):
        with rig.raw_port():
            rig.wait_until_qemu_keeps(lost + 1)
    rig.wait_until_qemu_keeps(DESCRIPTORS)
    writer.kill()
    guest = rig.start_guest()
    rig.start_host()
    told = guest.log.wait("it is dead: 128 times", timeout=SOON)
    assert not guest.log.find(UP)
    found = re.search(r"(echo .*/unbind; echo .*/bind;)", told.text)
    assert found, told.text
    rig.guest.succeed(found[1])
    guest.log.wait(UP, timeout=SOON)
    rig.check_transfers_work()
