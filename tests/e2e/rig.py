"""One machine with both daemons and a target, and the questions the tests ask of them."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from harness.guest import Guest, GuestProcess
from harness.lab import Lab
from harness.places import ROOT
from harness.process import HostProcess, host_daemon
from harness.spec import CONTROLLER, Port
from harness.ssh_guest import SSHGuest
from harness.targets import serving
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
SOON = 30.0
"""Deadline for what takes a second or so: emulation on a busy machine is slow."""
SESSION_GOAL = 2.0
SESSION_DEADLINE = SESSION_GOAL + 8.0
"""The goal is 2 s. The rest is slack for emulation; the figure itself is printed."""

START = 90.0
"""The same for a program's start: Wine's first one after a reset takes half a minute there."""
TRANSMIT_QUEUE = 5
"""That of the device's second port, which is the first that isn't a console."""
UP = r"session up"
LOST = r"session lost"


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


@dataclass
class Rig:
    """Everything of one test. Daemons are started by the test, in the order it is about."""

    vm: VM
    guest: Guest
    target: TruthServer
    note: Callable[[str], None] = print
    """Takes a figure for the table at the end."""
    _processes: list[GuestProcess] = field(default_factory=list)
    _hosts: list[HostProcess] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _streams: Iterator[int] = field(default_factory=lambda: count(1, 100))

    @property
    def scripts(self) -> str:
        """Where the programs are in the guest."""
        return f"{self.guest.scratch}/{SCRIPTS}"

    def start_guest(self, *arguments: str) -> GuestProcess:
        """Start the guest daemon and wait until it listens."""
        daemon = self.guest.start_daemon("-v", "--log-format", "json", *arguments)
        self._processes.append(daemon)
        daemon.log.wait("listening on", timeout=START)
        return daemon

    def start_host(self, *arguments: str, channel: Path | None = None) -> HostProcess:
        """Start the host daemon and wait until it has the channel."""
        daemon = host_daemon(
            channel or self.vm.socket(),
            *("-v", "--log-format", "json", "--allow", "127.0.0.0/8", "--allow", "[::1]"),
            *arguments,
            folder=self.vm.folder,
            name=f"host-{next(self._numbers)}",
        )
        self._hosts.append(daemon)
        daemon.log.wait("channel open", timeout=SOON)
        return daemon

    def start_both(
        self, guest_options: Sequence[str] = (), host_options: Sequence[str] = ()
    ) -> tuple[GuestProcess, HostProcess]:
        """Start both daemons and wait for a session between them."""
        guest, host = self.start_guest(*guest_options), self.start_host(*host_options)
        guest.log.wait(UP, timeout=SOON)
        host.log.wait(UP, timeout=SOON)
        return guest, host

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
        self._processes.append(process)
        return Client(process)

    def start_uploader(self) -> GuestProcess:
        """A client in the guest that uploads for ever, by one connection after the other."""
        command = self.guest.module_command(
            self.scripts,
            "tests.e2e.uploader",
            *(str(SOCKS_PORT), "127.0.0.1", str(self.target.port), str(next(self._streams))),
        )
        process = self.guest.start("uploader", command)
        self._processes.append(process)
        return process

    def transfer_without_end(self, connections: int = 4) -> Client:
        """Connections with data in both directions, all of them in full flow."""
        client = self.client("BOTH", connections=connections)
        client.wait("flowing", connections)
        return client

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

    def reach_again(self) -> None:
        """Connect anew to a guest in another QEMU, whose card is reached by another port."""
        if isinstance(self.guest, SSHGuest):
            self.guest.go_through(self.vm.ssh_port())
        else:
            self.guest.reconnect()

    def follow_again(self, *processes: GuestProcess) -> None:
        """Read logs on after the connection to the guest was made anew."""
        for process in processes:
            process.follow()

    def check_no_wrong_byte(self) -> None:
        """The target got what the clients sent, or the beginning of it."""
        wrong = [record for record in self.target.records if record.wrong]
        assert not wrong, f"wrong bytes reached the target: {wrong}"

    def report_session(self, there: float, up: float) -> None:
        """Note how long the session took from both ends being there; it may not take too long."""
        seconds = max(0.0, up - there)
        self.note(f"session after {seconds:.2f} s (goal {SESSION_GOAL:g})")
        assert seconds < SESSION_DEADLINE, f"no session for {seconds:.1f} s"

    def raw_port(self, port: Port | None = None) -> socket.socket:
        """The host's end of a port, for a test that is no daemon."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SOON)
        connection.connect(str(self.vm.socket(port)))
        return connection

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

    def collect(self, folder: Path) -> None:
        """Save everything that may explain a failure."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            self.vm.screenshot(folder / "screen.png")
        except Exception as error:
            (folder / "screen.txt").write_text(repr(error))
        for process in self._processes:
            path = folder / f"{process.name}-{process.pid}.log"
            path.write_text(process.log.text())
        self._collect_logs_in_guest(folder)
        for log in self.vm.folder.glob("*.log"):
            shutil.copy(log, folder)

    def _collect_logs_in_guest(self, folder: Path) -> None:
        """What was not followed: the connection may have ended before the process."""
        try:
            self.guest.reconnect()
            logs = self.guest.daemon_logs()
        except Exception as error:
            logs = repr(error)
        (folder / "logs-in-guest.txt").write_text(logs)

    def stop_hosts(self) -> None:
        """End what was started on the host."""
        for daemon in self._hosts:
            daemon.kill()


@contextmanager
def running_rig(lab: Lab) -> Iterator[Rig]:
    """A machine with vsocks and the programs in it; no daemon runs yet."""
    with ExitStack() as stack:
        target = stack.enter_context(serving(TruthServer()))
        vm, guest = stack.enter_context(lab.running())
        rig = Rig(vm, guest, target)
        scripts = [HERE / name for name in PROGRAMS] + sorted(SHARED.glob("*.py"))
        guest.upload({str(it.relative_to(ROOT)): it.read_bytes() for it in scripts}, rig.scripts)
        stack.callback(rig.stop_hosts)
        yield rig


def when(line: Line) -> float:
    """When a daemon wrote a line of its JSON log, in seconds of the daemon's own clock."""
    return datetime.fromisoformat(json.loads(line.text)["time"]).timestamp()
