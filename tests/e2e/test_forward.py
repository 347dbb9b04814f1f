"""A machine without any network card is reached through the virtio-serial port."""

from __future__ import annotations

import re

import pytest

from harness.guest import GuestProcess
from harness.process import HostProcess
from harness.ssh_guest import SSHGuest
from harness.targets import payload, sha256
from tests.e2e.rig import SOON, Rig

pytestmark = pytest.mark.e2e

DATA = payload(1_000_001, seed=5)
SSH_PORT = "22"


def test_ssh_goes_on_when_the_network_card_is_unplugged(rig: Rig) -> None:
    guest = by_ssh(rig)
    _, host = start(rig, exposed=SSH_PORT)
    guest.go_through(forwarded_port(host))
    guest.succeed("echo through the channel, the card is still there")
    rig.vm.unplug_network()
    # The connection of before goes on, and new ones can be made.
    guest.succeed("echo through the channel, and there is nothing else")
    guest.reconnect()
    guest.upload({"through-the-channel": DATA}, guest.scratch)
    assert guest.sha256(f"{guest.scratch}/through-the-channel") == sha256(DATA)


def test_what_the_guest_does_not_expose_is_out_of_reach(rig: Rig) -> None:
    daemon, host = start(rig, exposed="127.0.0.1:23")
    with pytest.raises(ConnectionError):
        by_ssh(rig).go_through(forwarded_port(host), timeout=3)
    daemon.log.wait(r"refused: the host wants 127\.0\.0\.1:22", timeout=SOON)
    host.log.wait(r"the guest refused it \(2\)", timeout=SOON)


def by_ssh(rig: Rig) -> SSHGuest:
    assert isinstance(rig.guest, SSHGuest)
    return rig.guest


def start(rig: Rig, *, exposed: str) -> tuple[GuestProcess, HostProcess]:
    """Start both daemons; a port of the host comes out at the guest's SSH server."""
    return rig.start_both(("--expose", exposed), ("--forward", f"127.0.0.1:0:127.0.0.1:{SSH_PORT}"))


def forwarded_port(host: HostProcess) -> int:
    found = re.search(r"forwarding 127\.0\.0\.1:(\d+) to", host.log.text())
    assert found, host.log.text()
    return int(found[1])
