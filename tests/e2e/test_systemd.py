"""Both units under a systemd that has booted, from the Debian packages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.guest import Guest, GuestProcess
from harness.systemd_guest import SystemdLab
from harness.testing.desk import Desk
from tests.e2e.conftest import rig_of
from tests.e2e.rig import LOST, SOON, UP, Rig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

#: That of `systemd-analyze security`, from 0 to 100: 2.0 as it is shown.
EXPOSURE = 20
CHANNEL = "/run/vm/vsocks.sock"
HOST_FILE = f"""\
[machine.stand-in]
channel = "unix:{CHANNEL}"
rules = ["allow 127.0.0.0/8"]
audit = "journal"
"""
#: In the place of QEMU and the guest behind it: it serves the channel, to the user of the unit.
STAND_IN = (
    "setpriv --reuid=vsocks --regid=vsocks --clear-groups "
    f"vsocks guest --channel unix-listen:{CHANNEL} --listen 127.0.0.1:1081"
)
SITE = "python3 -m http.server --bind 127.0.0.1 --directory /etc/ssh 8000"
FETCH = (
    'python3 -c "import urllib.request as u; o = u.build_opener(u.ProxyHandler('
    "{'http': 'http://127.0.0.1:1081'})); print(len(o.open('http://127.0.0.1:8000/').read()))\""
)


@pytest.fixture(scope="module")
def systemd_rig(vm_desk: Desk) -> Iterator[Rig]:
    """A machine that has booted systemd; `vsocks-guest` runs since it was installed."""
    lab = SystemdLab()
    vm_desk.prepare(lab, "systemd_rig")
    with rig_of(lab, vm_desk, "systemd_rig") as rig:
        yield rig


def shown(guest: Guest, unit: str, name: str) -> str:
    """What systemd says of a unit."""
    return guest.succeed(f"systemctl show --property={name} --value {unit}").strip()


def await_active(guest: Guest, unit: str) -> None:
    guest.wait_until_succeeds(f"systemctl is-active {unit}", timeout=SOON)


def test_the_guests_unit_begins_with_the_machine(systemd_rig: Rig) -> None:
    rig, guest = systemd_rig, systemd_rig.guest
    await_active(guest, "vsocks-guest")
    host = rig.start_host()
    host.log.wait(UP, timeout=SOON)
    assert guest.succeed(f"stat -Lc %G:%a {guest.port}").strip() == "vsocks:660", "by udev's rule"
    process = shown(guest, "vsocks-guest", "MainPID")
    assert guest.succeed(f"stat -c %U /proc/{process}").strip() == "vsocks"
    rig.check_transfers_work()
    guest.succeed(f"systemd-analyze security --threshold={EXPOSURE} vsocks-guest")

    booted, seen = rig.vm.console.mark(), host.log.mark()
    rig.vm.reset()
    rig.vm.wait_until_booted(180, after=booted)
    guest.reconnect()
    host.log.wait(UP, timeout=3 * SOON, after=seen)
    await_active(guest, "vsocks-guest")
    rig.check_transfers_work()
    host.kill("TERM")


@pytest.fixture
def stand_in(systemd_rig: Rig) -> Iterator[GuestProcess]:
    """The unit `vsocks-host` runs, in session with this."""
    guest = systemd_rig.guest
    guest.upload({"host.toml": HOST_FILE.encode()}, "/etc/vsocks")
    process = guest.start("stand-in", STAND_IN)
    site = guest.start("site", SITE)
    guest.wait_for_open_port(8000)
    process.log.wait("listening on", timeout=SOON)
    guest.succeed("systemctl start vsocks-host")
    process.log.wait(UP, timeout=SOON)
    yield process
    guest.succeed("systemctl stop vsocks-host")
    process.kill()
    site.kill()


def test_the_hosts_unit_keeps_the_channel_open(systemd_rig: Rig, stand_in: GuestProcess) -> None:
    """Over a restart, and over an end by the watchdog, QEMU's client does not go."""
    guest, log = systemd_rig.guest, stand_in.log
    await_active(guest, "vsocks-host")
    assert int(guest.succeed(FETCH)) > 100
    guest.succeed(f"systemd-analyze security --threshold={EXPOSURE} vsocks-host")

    seen = log.mark()
    guest.succeed("systemctl restart vsocks-host")
    log.wait(UP, timeout=SOON, after=seen)
    assert int(guest.succeed(FETCH)) > 100

    seen = log.mark()
    process = shown(guest, "vsocks-host", "MainPID")
    guest.succeed(f"kill -STOP {process}")
    # Half a minute is how long the unit's watchdog waits; systemd ends what doesn't obey it.
    log.wait(UP, timeout=120, after=seen)
    assert shown(guest, "vsocks-host", "MainPID") != process
    assert "Watchdog timeout" in guest.succeed("journalctl --no-pager -u vsocks-host")
    assert int(guest.succeed(FETCH)) > 100
    assert log.find(LOST), "it has noticed"
    assert not log.find("channel closed"), "by the session alone"


def test_the_hosts_audit_is_in_the_journal(systemd_rig: Rig, stand_in: GuestProcess) -> None:
    guest = systemd_rig.guest
    guest.succeed(FETCH)
    told = guest.wait_until_succeeds(
        "journalctl --no-pager -t vsocks-audit -o cat VSOCKS_KIND=connect | grep 8000"
    )
    assert '"machine": "stand-in"' in told
    assert '"rule": "allow 127.0.0.0/8"' in told
