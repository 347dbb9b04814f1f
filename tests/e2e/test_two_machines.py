"""Two machines under one host daemon, whose file is read anew while data flows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.debian_lab import DebianLab
from harness.process import HostProcess
from harness.testing.desk import Desk
from tests.e2e.conftest import rig_of
from tests.e2e.rig import LOST, SOCKS_PORT, SOON, UP, Rig
from tests.integration.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400, func_only=True)]

DENIED = 97
"""curl's exit status when the proxy refuses."""


@pytest.fixture
def red(debian: DebianLab, vm_desk: Desk) -> Iterator[Rig]:
    with rig_of(debian, vm_desk, "red") as rig:
        yield rig


@pytest.fixture
def blue(debian: DebianLab, vm_desk: Desk) -> Iterator[Rig]:
    with rig_of(debian, vm_desk, "blue") as rig:
        yield rig


class Daemon:
    """The host daemon of both, and its file."""

    def __init__(self, folder: Path, **machines: Rig) -> None:
        self._machines = machines
        self._file = folder / "host.toml"
        self._control = folder / "control.sock"
        self.write(dict.fromkeys(machines, ALLOWED))
        command = [sys.executable, "-m", "vsocks", "host", "-v", "--config", str(self._file)]
        command += ["--control", str(self._control)]
        self.process = HostProcess("host-of-both", command, folder)

    def write(self, rules: dict[str, str]) -> None:
        """Have the file name these machines, each with one rule."""
        self._file.write_text(
            "".join(
                f'[machine.{name}]\nchannel = "unix:{self._machines[name].vm.socket()}"\n'
                f"rules = [{json.dumps(rule)}]\n"
                for name, rule in rules.items()
            )
        )

    def reload(self, rules: dict[str, str]) -> None:
        """Read that anew."""
        self.write(rules)
        mark = self.process.log.mark()
        self.process.signal("HUP")
        self.process.log.wait("configuration read anew", timeout=SOON, after=mark)

    def sessions(self) -> set[str]:
        """The machines whose sessions stand, as a user is told."""
        command = [sys.executable, "-m", "vsocks", "status", "--json"]
        command += ["--control", str(self._control)]
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SOON)
        items = [json.loads(line) for line in told.stdout.splitlines()]
        return {item["name"] for item in items if item.get("session_seconds") is not None}


ALLOWED, FORBIDDEN = "allow 127.0.0.0/8", "deny *"


def test_each_has_its_own_rules_and_comes_and_goes_by_a_reload(
    red: Rig, blue: Rig, vm_note: Callable[[str], None]
) -> None:
    daemon = Daemon(red.vm.folder, red=red, blue=blue)
    red.on_host.append(daemon.process)
    guests = {rig: rig.start_guest() for rig in (red, blue)}
    for guest in guests.values():
        guest.log.wait(UP, timeout=SOON)
    assert daemon.sessions() == {"red", "blue"}
    flowing = {rig: rig.transfer_without_end(2) for rig in (red, blue)}

    daemon.reload({"red": FORBIDDEN, "blue": ALLOWED})
    assert connect_status(red) == DENIED
    blue.check_transfers_work()
    for rig, client in flowing.items():  # what stood before goes on
        rig.check_still_flowing(client, 2)

    daemon.reload({"red": FORBIDDEN})
    guests[blue].log.wait(LOST, timeout=SOON)
    blue.check_old_connections_closed(flowing[blue], 2)
    red.check_still_flowing(flowing[red], 2)
    assert daemon.sessions() == {"red"}

    mark = guests[blue].log.mark()
    daemon.reload({"red": ALLOWED, "blue": ALLOWED})
    guests[blue].log.wait(UP, timeout=SOON, after=mark)
    eventually(lambda: _equal(daemon.sessions(), {"red", "blue"}))
    blue.check_transfers_work()
    red.check_transfers_work()
    red.check_still_flowing(flowing[red], 2)
    assert daemon.process.kill("TERM") == 0


def connect_status(rig: Rig) -> int:
    """curl's exit status when it wants to go to our target."""
    proxy = f"socks5h://127.0.0.1:{SOCKS_PORT}"
    url = f"telnet://127.0.0.1:{rig.target.port}"
    return rig.guest.run(f"curl --silent --max-time 20 --proxy {proxy} {url} </dev/null").status


def _equal(one: object, other: object) -> None:
    assert one == other
