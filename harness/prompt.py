"""A person, or one command, in a machine: by the ssh program, which knows about terminals."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .door import PROXY, Door, through_door
from .places import COMMAND
from .qmp import QMPError
from .running import NoMachineError, RunningMachine

WORK = "/root/work"
"""Where commands run, and their files lie."""

WELCOME = f"""\
A machine without a network: `ip route` shows no way out. vsocks is its door, at {PROXY},
and curl, git and pip are told so: try `curl https://example.org/`.
Leave with `exit`; what you changed is forgotten. If the machine hangs, Enter ~ . leaves, too.
In another terminal: {COMMAND} ls | console | screenshot FILE.png
"""


SSH_FAILED = 255
"""What ssh ends with if it is itself that has failed, or a command with that status."""


def prompt_in_guest(door: Door) -> int:
    """A shell on our terminal, until it ends; returns its status."""
    print(WELCOME, flush=True)
    door.guest.succeed(f"mkdir -p {WORK}")
    command = through_door(f"cd {WORK} && exec bash -l")
    return subprocess.run(ssh_command(door.machine, command, "-t"), check=False).returncode


def command_in_guest(
    door: Door, words: Sequence[str], files: Mapping[str, bytes], wanted: Sequence[str]
) -> int:
    """Run a command with our input and output; then fetch the wanted files. Returns its status.

    Raises NoMachineError if the machine has gone meanwhile.
    """
    door.guest.upload(dict(files), WORK)
    line = words[0] if len(words) == 1 else shlex.join(words)
    command = through_door(f"cd {WORK} && {line}")
    status = subprocess.run(ssh_command(door.machine, command), check=False).returncode
    if status == SSH_FAILED:
        _check_machine(door)
    for name in wanted:
        fetched = subprocess.run(
            ssh_command(door.machine, shlex.join(["cat", f"{WORK}/{name}"])),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
        if fetched.returncode:
            print(f"harness: {name} could not be fetched", file=sys.stderr)
            status = status or 1
        else:
            Path(Path(name).name).write_bytes(fetched.stdout)
    return status


def _check_machine(door: Door) -> None:
    try:
        door.vm.qmp.execute("query-status")
    except QMPError:
        raise NoMachineError("the machine has gone while the command ran") from None


def ssh_command(machine: RunningMachine, command: str, *options: str) -> list[str]:
    """The command line of ssh that runs a command in the machine, whatever the user's own settings.

    Whom to expect is written to a file in the machine's folder, unless the user's own has it.
    """
    known = machine.folder / "known_hosts"
    if machine.host_key:
        known.write_text(f"[{machine.host}]:{machine.ssh_port} ssh-ed25519 {machine.host_key}\n")
    return [
        *("ssh", "-F", "none", "-q", "-i", machine.key, "-p", str(machine.ssh_port)),
        *("-o", "IdentitiesOnly=yes", *_of_whom(known)),
        *("-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"),
        *options,
        *(f"{machine.account}@{machine.host}", command),
    ]


def _of_whom(known: Path) -> list[str]:
    return ["-o", f"UserKnownHostsFile={known}"] if known.exists() else []
