"""How a person gets into a machine of a test."""

from __future__ import annotations

import shlex
import subprocess

from ..places import COMMAND
from ..prompt import ssh_command
from ..running import RunningMachine, machine_of
from .pair import VsocksPair


def tell_of(pair: VsocksPair) -> RunningMachine:
    """Have `ls`, `console` and `screenshot` find the machine."""
    machine = machine_of(pair.vm, pair.guest, pair.guest.kind)
    machine.tell()
    return machine


def directions(pair: VsocksPair) -> str:
    """What to type to get into a machine that was kept, to look at it, and to end it."""
    machine = tell_of(pair)
    lines = [
        f"the machine was kept ({machine.kind}, {machine.folder}):",
        *([f"  get in:   {shlex.join(_to_a_shell(machine))}"] if machine.key else []),
        f"  console:  {COMMAND} console --machine {machine.pid}",
        f"  screen:   {COMMAND} screenshot --machine {machine.pid} screen.png",
        *(f"  daemon:   {daemon}" for daemon in pair.on_host[-1:]),
        f"  end it:   kill {machine.pid}; rm -r {machine.folder}",
    ]
    return "\n".join(lines)


def shell_in(pair: VsocksPair) -> None:
    """A shell on our terminal in the machine, until it ends."""
    machine = machine_of(pair.vm, pair.guest, pair.guest.kind)
    if not machine.key:
        print("this guest has no SSH")
        return
    print(f"a shell in {machine.kind}; the test goes on to its end when you leave it")
    subprocess.run(_to_a_shell(machine), check=False)


def _to_a_shell(machine: RunningMachine) -> list[str]:
    """The command line of ssh without any command for the guest."""
    return ssh_command(machine, "")[:-1]
