"""A machine and what runs on it for a test: both daemons, and their logs."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import ClassVar

from ..door import PROXY
from ..guest import Guest, GuestProcess
from ..process import HostProcess, host_daemon
from ..spec import Port
from ..ssh_guest import SSHGuest
from ..stopwatch import timed
from ..vm import VM

SOON = 30.0
"""Deadline for what takes a second or so: emulation on a busy machine is slow."""
START = 90.0
"""The same for a program's start: Wine's first one after a reset takes half a minute there."""
UP = r"session up"
LOST = r"session lost"

LOOPBACK = ("--allow", "127.0.0.0/8", "--allow", "[::1]")
"""Lets the guest reach servers on the host's loopback, where those of tests are."""


class VsocksPair:
    """Both daemons on a machine, each started when the test wants it."""

    options: ClassVar[tuple[str, ...]] = ("-v",)
    """What both daemons get in front of all else."""
    host_options: Sequence[str] = LOOPBACK
    """What the host daemon gets beside that."""
    proxy = PROXY
    """The guest daemon's proxy, as programs in the guest name it."""

    def __init__(self, vm: VM, guest: Guest) -> None:
        self.vm = vm
        self.guest = guest
        self.in_guest: list[GuestProcess] = []
        """What was started in the guest; its logs explain a failure."""
        self.on_host: list[HostProcess] = []
        """Host daemons, the youngest last; they end with the pair."""
        self._numbers = count(1)

    def start_guest(self, *arguments: str) -> GuestProcess:
        """Start the guest daemon and wait until it listens."""
        with timed("daemons"):
            daemon = self.guest.start_daemon(*self.options, *arguments)
            self.in_guest.append(daemon)
            daemon.log.wait("listening on", timeout=START)
        return daemon

    def start_host(self, *arguments: str, channel: Path | None = None) -> HostProcess:
        """Start the host daemon and wait until it has the channel."""
        with timed("daemons"):
            daemon = self._host(channel or self.vm.socket(), *arguments)
            daemon.log.wait("channel open", timeout=SOON)
        return daemon

    def start_both(
        self, guest_options: Sequence[str] = (), host_options: Sequence[str] = ()
    ) -> tuple[GuestProcess, HostProcess]:
        """Start both daemons and wait for a session between them."""
        with timed("daemons"):
            host = self._host(self.vm.socket(), *host_options)  # it begins while the guest does
            guest = self.start_guest(*guest_options)
            guest.log.wait(UP, timeout=SOON)
            host.log.wait(UP, timeout=SOON)
        return guest, host

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

    def raw_port(self, port: Port | None = None) -> socket.socket:
        """The host's end of a port, for a test that is itself the program there."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SOON)
        connection.connect(str(self.vm.socket(port)))
        return connection

    def _host(self, channel: Path, *arguments: str) -> HostProcess:
        daemon = host_daemon(
            channel,
            *(*self.options, *self.host_options, *arguments),
            # On another's machine nothing of ours stays, not even who holds the channel.
            *(("--no-hold",) if self.vm.borrowed else ()),
            folder=self.vm.folder,
            name=f"host-{next(self._numbers)}",
        )
        self.on_host.append(daemon)
        return daemon

    def close(self) -> None:
        """End what was started on the host; on another's machine in order, for the guest's sake."""
        for daemon in self.on_host:
            if self.vm.borrowed:
                daemon.end()
            else:
                daemon.kill()
