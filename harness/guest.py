"""What a test can do with a guest, whatever system runs in it.

`DebianGuest` (debian.py) runs the daemon from source, `AgentGuest` (agent_guest.py) does so in a
machine without a network card, `WineGuest` (wine_guest.py) runs the Windows program in the same
Debian, and a Windows is reached by OpenSSH: all have the same abstract methods.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .transcript import Transcript

POLL = 0.2
"""Seconds between two looks at a state of the guest that sends no event."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    command: str
    status: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        return f"status {self.status}: {self.command}\n{self.stdout}{self.stderr}".rstrip()


class CommandError(AssertionError):
    """A command in the guest did not end as it had to; the message shows what it printed."""


class GuestProcess(ABC):
    """A program that runs in the background of the guest; `log` is what it prints, as it comes."""

    name: str
    pid: int
    log: Transcript

    @abstractmethod
    def follow(self) -> None:
        """Read the log from its beginning again, for instance over a new connection."""

    @abstractmethod
    def kill(self, signal: str = "KILL") -> None:
        """Send a signal (TERM, KILL, STOP, CONT); a process that is gone already is no error."""

    @abstractmethod
    def is_running(self) -> bool:
        """Whether it still runs."""

    @abstractmethod
    def full_log(self) -> str:
        """Everything it has printed, read anew from the guest."""


class Guest(ABC):
    """A guest that answers. Closing it ends the connection, not the guest."""

    kind: str
    """For people: which system and which vsocks."""
    channel: str
    """What the daemon in this guest gets as --channel."""
    scratch: str
    """A folder of the guest in which a test may leave files."""
    port: str
    """How programs in the guest call the virtio-serial port."""
    notices_absence = True
    """Whether the daemon can notice that the host has gone before another one comes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """End the connection."""

    @abstractmethod
    def reconnect(self) -> None:
        """Connect anew, after the machine was reset or went back to a snapshot."""

    @abstractmethod
    def run(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command line in the guest's shell; TimeoutError when it does not end in time."""

    @abstractmethod
    def start(self, name: str, command: str) -> GuestProcess:
        """Start a command line in the background; it outlives the connection."""

    @abstractmethod
    def upload(self, files: dict[str, bytes], folder: str) -> None:
        """Write files (name to content) into a folder of the guest, which is made if need be."""

    @abstractmethod
    def download(self, path: str) -> bytes:
        """What is in a file of the guest. If there is none: OSError, or the way in's own error."""

    @abstractmethod
    def deploy(self) -> None:
        """Bring vsocks into the guest."""

    @abstractmethod
    def daemon_command(self, *arguments: str) -> str:
        """The command line of `vsocks guest` with these arguments and this guest's channel."""

    @abstractmethod
    def module_command(self, folder: str, module: str, *arguments: str) -> str:
        """The command line that runs a Python module of an uploaded folder."""

    @abstractmethod
    def command_line(self, *arguments: str) -> str:
        """A program and its arguments, quoted for the guest's shell."""

    @abstractmethod
    def sha256(self, path: str) -> str:
        """The checksum of a file in the guest, in lower-case hexadecimal."""

    @abstractmethod
    def has_way_out(self) -> bool:
        """Whether the guest knows a route to anywhere but its own networks."""

    @abstractmethod
    def daemon_logs(self) -> str:
        """The ends of all logs in the guest that may explain a failure."""

    def start_daemon(self, *arguments: str, name: str = "guest") -> GuestProcess:
        """Start `vsocks guest` in the background, with a log to wait on."""
        return self.start(name, self.daemon_command(*arguments))

    def succeed(self, command: str, *, timeout: float = 60) -> str:
        """Run a command that must end with status 0, and return its output."""
        result = self.run(command, timeout=timeout)
        if result.status != 0:
            raise CommandError(f"expected success, got {result}")
        return result.stdout

    def fail(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command that must not end with status 0."""
        result = self.run(command, timeout=timeout)
        if result.status == 0:
            raise CommandError(f"expected failure, got {result}")
        return result

    def wait_until_succeeds(self, command: str, *, timeout: float = 60) -> str:
        """Run a command again and again until it ends with status 0."""
        deadline = time.monotonic() + timeout
        while True:
            result = self.run(command, timeout=timeout)
            if result.status == 0:
                return result.stdout
            if time.monotonic() > deadline:
                raise CommandError(f"no success within {timeout:g} s; the last try: {result}")
            time.sleep(POLL)

    @abstractmethod
    def wait_for_open_port(self, port: int, *, timeout: float = 60) -> None:
        """Wait until something in the guest listens on this TCP port."""


def python_files(folder: Path, names: Sequence[str] = ("**/*.py",)) -> dict[str, bytes]:
    """The Python files under a folder, by their path relative to its parent."""
    found = (path for pattern in names for path in folder.glob(pattern))
    return {str(path.relative_to(folder.parent)): path.read_bytes() for path in sorted(found)}


def files_of(folder: Path) -> dict[str, bytes]:
    """All files under a folder, by their path in it."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
