"""A machine without any network card is reached through the virtio-serial port."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest

from harness.spec import NIC
from harness.ssh import SSH, Access
from harness.ssh_guest import SSHGuest
from harness.targets import payload
from tests.e2e.rig import SOON, UP, Rig

pytestmark = pytest.mark.e2e

DATA = payload(1_000_001, seed=5)
UNPLUGGED_SECONDS = 60


def test_ssh_goes_on_when_the_network_card_is_unplugged(rig: Rig) -> None:
    guest = rig.start_guest("--expose", "22")
    host = rig.start_host("--forward", "127.0.0.1:0:127.0.0.1:22")
    port = forwarded_port(host.log.text())
    guest.log.wait(UP, timeout=SOON)
    host.log.wait(UP, timeout=SOON)
    ssh = SSH(through_the_channel(rig, port))
    try:
        assert ssh.run("ls /sys/class/net", 30).stdout.split() != ["lo"]
        mark = rig.vm.qmp.mark()
        rig.vm.qmp.execute("device_del", {"id": NIC})
        rig.vm.qmp.wait_event(
            "DEVICE_DELETED",
            lambda data: data.get("device") == NIC,
            timeout=UNPLUGGED_SECONDS,
            after=mark,
        )
        # The connection of before goes on, and new ones can be made.
        assert ssh.run("ls /sys/class/net", 30).stdout.split() == ["lo"]
        ssh.connect()
        ssh.put(DATA, f"{rig.guest.scratch}/through-the-channel")
        said = ssh.run(f"sha256sum {rig.guest.scratch}/through-the-channel", 60).stdout
        assert said.split()[0] == hashlib.sha256(DATA).hexdigest()
        assert len(ssh.run("head -c 1000000 /dev/zero | tr '\\0' x", 60).stdout) == 1_000_000
    finally:
        ssh.close()


def test_what_the_guest_does_not_expose_is_out_of_reach(rig: Rig) -> None:
    guest = rig.start_guest("--expose", "127.0.0.1:23")
    host = rig.start_host("--forward", "127.0.0.1:0:127.0.0.1:22")
    port = forwarded_port(host.log.text())
    host.log.wait(UP, timeout=SOON)
    with pytest.raises(ConnectionError):
        SSH(through_the_channel(rig, port), timeout=3)
    guest.log.wait(r"refused: the host wants 127\.0\.0\.1:22", timeout=SOON)
    host.log.wait(r"the guest refused it \(2\)", timeout=SOON)


def forwarded_port(log: str) -> int:
    found = re.search(r"forwarding 127\.0\.0\.1:(\d+) to", log)
    assert found, log
    return int(found[1])


def through_the_channel(rig: Rig, port: int) -> Access:
    assert isinstance(rig.guest, SSHGuest)
    return replace(rig.guest.access, port=port)
