"""One machine with both daemons and a target, and the questions the tests ask of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from harness.guest import Guest, GuestProcess
from harness.lab import Lab
from harness.places import ROOT
from harness.process import HostProcess
from harness.spec import CONTROLLER
from harness.stopwatch import timed
from harness.targets import serving
from harness.testing.pair import LOST, SOON, START, UP, VsocksPair
from harness.transcript import Line
from harness.vm import VM
from tests.e2e.truth_server import TruthServer
from tests.integration.support.waiting import eventually

HERE = Path(__file__).parent
PROGRAMS = ("truth.py", "guest_client.py", "port_writer.py", "protocol_client.py", "uploader.py")
"""What runs in the guest, by a Python that has nothing but its standard library."""
SHARED = ROOT / "tests" / "support"
"""What those programs share with tests on one machine; it needs no more than they have."""
SCRIPTS = "e2e"
"""The folder of all this in the guest's scratch folder."""
SOCKS_PORT = 1080
SESSION_GOAL = 2.0
SESSION_DEADLINE = SESSION_GOAL + 8.0
"""The goal is 2 s. The rest is slack for emulation; the figure itself is printed."""
TRANSMIT_QUEUE = 5
"""That of the device's second port, which is the first that isn't a console."""

__all__ = ["LOST", "SOCKS_PORT", "SOON", "START", "UP", "Client", "Rig", "running_rig", "when"]


class Client:
    """The client in the guest: a process whose log is one JSON object a line."""

    def __init__(self, process: GuestProcess) -> None:
        self.process = process

    def wait(self, event: str, times: int = 1, timeout: float = SOON) -> list[dict[str, Any]]:
        """Wait until `event` has been told `times` times."""
        deadline = time.monotonic() + timeout
        pattern = f'"event": "{event}"'
        while True:
            seen = self.process.log.find(pattern)
            if len(seen) >= times:
                return [json.loads(line.text) for line in seen]
            after = seen[-1].number + 1 if seen else 0
            left = max(0.0, deadline - time.monotonic())
            self.process.log.wait(pattern, timeout=left, after=after, failing=("Traceback",))


class Rig(VsocksPair):
    """Everything of one test. Daemons are started by the test, in the order it is about."""

    options = ("-v", "--log-format", "json")

    def __init__(self, vm: VM, guest: Guest, target: TruthServer) -> None:
        super().__init__(vm, guest)
        self.target = target
        self.note: Callable[[str], None] = print
        """Takes a figure for the table at the end."""
        self._streams = count(1, 100)
        scripts = [HERE / name for name in PROGRAMS] + sorted(SHARED.glob("*.py"))
        files = {str(path.relative_to(ROOT)): path.read_bytes() for path in scripts}
        with timed("the tests' programs into the guest"):
            guest.upload(files, self.scripts)

    @property
    def scripts(self) -> str:
        """Where the programs are in the guest."""
        return f"{self.guest.scratch}/{SCRIPTS}"

    def client(
        self, mode: str, *, connections: int = 1, length: int = 0, host: str = "127.0.0.1"
    ) -> Client:
        """Start the self-verifying client in the guest against our target."""
        command = self.guest.module_command(
            self.scripts,
            "tests.e2e.guest_client",
            *(str(SOCKS_PORT), host, str(self.target.port), mode),
            *(str(connections), str(length), str(next(self._streams))),
        )
        process = self.guest.start("client", command)
        self.in_guest.append(process)
        return Client(process)

    def start_uploader(self) -> GuestProcess:
        """A client in the guest that uploads for ever, by one connection after the other."""
        command = self.guest.module_command(
            self.scripts,
            "tests.e2e.uploader",
            *(str(SOCKS_PORT), "127.0.0.1", str(self.target.port), str(next(self._streams))),
        )
        process = self.guest.start("uploader", command)
        self.in_guest.append(process)
        return process

    def transfer_without_end(self, connections: int = 4) -> Client:
        """Connections with data in both directions, all of them in full flow."""
        client = self.client("BOTH", connections=connections)
        client.wait("flowing", connections)
        return client

    def in_flow(self) -> tuple[GuestProcess, HostProcess, Client]:
        """Both daemons, and connections with data in both directions."""
        guest, host = self.start_both()
        return guest, host, self.transfer_without_end()

    def put_back(self, tag: str, guest: GuestProcess, host: HostProcess, client: Client) -> None:
        """Go back to a snapshot: a new session comes, and nothing stays of what was open in it."""
        mark = host.log.mark()
        loaded = self.vm.load_snapshot(tag)
        host.log.wait(LOST, timeout=SOON, after=mark)
        self.report_session(loaded, host.log.wait(UP, timeout=SOON, after=mark).at)
        self.guest.reconnect()
        self.follow_again(guest, client.process)
        self.check_old_connections_closed(client)

    def check_old_connections_closed(self, client: Client, connections: int = 4) -> None:
        """Whatever was open before the fault has ended on both sides, and all of it was right."""
        for ended in client.wait("ended", connections):
            assert not ended["wrong"], ended
            assert ended["how"] in {"eof", "reset"}, ended
        self.target.wait_all_ended(SOON)
        self.check_no_wrong_byte()

    def check_transfers_work(self) -> None:
        """New connections carry data, down and up, to the last byte."""
        length = 1_000_003
        for mode in ("DOWN", "UP"):
            client = self.client(mode, connections=4, length=length)
            for ended in client.wait("ended", 4):
                assert ended["how"] == "eof", ended
                assert not ended["wrong"], ended
                assert ended["received" if mode == "DOWN" else "sent"] == length, ended
        self.check_no_wrong_byte()

    def check_still_flowing(self, client: Client, connections: int = 4) -> None:
        """Connections without end have not ended."""
        ended = client.process.log.find('"event": "ended"')
        assert not ended, f"connections ended: {ended}"
        client.wait("flowing", connections)
        self.check_no_wrong_byte()

    def check_no_wrong_byte(self) -> None:
        """The target got what the clients sent, or the beginning of it."""
        wrong = [record for record in self.target.records if record.wrong]
        assert not wrong, f"wrong bytes reached the target: {wrong}"

    def report_session(self, there: float, up: float) -> None:
        """Note how long the session took from both ends being there; it may not take too long."""
        seconds = max(0.0, up - there)
        self.note(f"session after {seconds:.2f} s (goal {SESSION_GOAL:g})")
        assert seconds < SESSION_DEADLINE, f"no session for {seconds:.1f} s"

    def wait_for_writes_that_qemu_keeps(self, *, some: bool) -> None:
        """Wait until it has ``some``, or none."""

        def attempt() -> None:
            kept = self._writes_that_qemu_keeps()
            assert bool(kept) is some, f"QEMU keeps {kept} writes of the guest's"

        eventually(attempt, deadline=SOON)

    def wait_until_qemu_keeps(self, number: int) -> None:
        """Wait until it keeps so many writes of the guest's."""

        def attempt() -> None:
            kept = self._writes_that_qemu_keeps()
            assert kept == number, f"QEMU keeps {kept} writes of the guest's"

        eventually(attempt, deadline=SOON)

    def _writes_that_qemu_keeps(self) -> int:
        """How many buffers of the guest's QEMU has taken from the port and not given back.

        By what it tells of the queue (qapi/virtio.json, x-query-virtio-queue-status).
        """
        [device] = [
            each["path"]
            for each in self.vm.qmp.execute("x-query-virtio")
            if each["name"] in {"virtio-serial", "virtio-console"}
            if f"/{CONTROLLER}/" in each["path"]
        ]
        of_port = {"path": device, "queue": TRANSMIT_QUEUE}
        status = self.vm.qmp.execute("x-query-virtio-queue-status", of_port)
        return int(status["last-avail-idx"] - status["used-idx"]) % 2**16


@contextmanager
def running_rig(lab: Lab) -> Iterator[Rig]:
    """A machine with a target and its clients, for whoever has no fixture; no daemon runs yet."""
    with serving(TruthServer()) as target, lab.running() as (vm, guest):
        rig = Rig(vm, guest, target)
        try:
            yield rig
        finally:
            rig.close()


def when(line: Line) -> float:
    """When a daemon wrote a line of its JSON log, in seconds of the daemon's own clock."""
    return datetime.fromisoformat(json.loads(line.text)["time"]).timestamp()
