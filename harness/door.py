"""A machine with both daemons in session: what a person, or one command, gets of the harness."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .guest import Guest
from .lab import Lab
from .process import HostProcess, host_daemon
from .progress import step
from .running import RunningMachine, machine_of
from .vm import VM

START = 90.0
"""Deadline, in seconds, for what takes a second or so on a machine that isn't busy."""
PROXY = "socks5h://127.0.0.1:1080"
ENVIRONMENT = {"ALL_PROXY": PROXY, "http_proxy": PROXY, "https_proxy": PROXY}
"""Has curl, git, pip and others in the guest use the door without being told."""


@dataclass(frozen=True, slots=True)
class Door:
    """The machine, and both ends of its only way out."""

    vm: VM
    guest: Guest
    host: HostProcess
    machine: RunningMachine


@contextmanager
def open_door(rules: Sequence[str], lab: Lab) -> Iterator[Door]:
    """A fresh machine, both daemons in session on it; `rules` are options of `vsocks host`."""
    lab.prepare()
    with ExitStack() as stack:
        with step("starting the machine, and both daemons"):
            vm, guest = stack.enter_context(lab.running())
            in_guest = guest.start_daemon()
            host = stack.enter_context(host_daemon(vm.socket(), *rules, folder=vm.folder))
            for log in (in_guest.log, host.log):
                log.wait("session up", timeout=START, failing=("error:", "Traceback"))
        machine = machine_of(vm, guest, lab.kind)
        machine.tell()
        yield Door(vm, guest, host, machine)


def through_door(command: str) -> str:
    """The command line, in an environment that points at the proxy."""
    settings = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    return f"env {shlex.join(settings)} sh -c {shlex.quote(command)}"
