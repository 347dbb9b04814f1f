"""The Debian guest of a machine without a network card, by qemu-guest-agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from .agent import Agent
from .agent_port import AgentPort
from .debian import Debian
from .guest import Result
from .spec import AGENT
from .transcript import Transcript
from .vm import VM


class AgentGuest(Debian):
    """As `DebianGuest`, but commands and files go through a virtio-serial port of their own."""

    kind = "Linux, no network card"

    def __init__(self, connect: Callable[[], Agent]) -> None:
        super().__init__()
        self._connect = connect
        self._agent = connect()

    @classmethod
    def of(cls, vm: VM) -> Self:
        """That of a machine of ours."""
        return cls(lambda: AgentPort(vm.socket(AGENT)))

    def close(self) -> None:
        """Hang up."""
        self._agent.close()

    def reconnect(self) -> None:
        """Needed after a reset or a return to a snapshot, which the port's connection outlives."""
        self._agent.close()
        self._agent = self._connect()

    def run(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command line; `timeout` is for all of it, and 16 MiB for what it prints."""
        return self._agent.run(command, timeout)

    def put(self, content: bytes, path: str) -> None:
        """By the agent, piece by piece."""
        self._agent.put(content, path)

    def download(self, path: str) -> bytes:
        """By the agent, piece by piece."""
        return self._agent.get(path)

    def follow_log(self, path: str, pid: int, transcript: Transcript) -> None:
        """Look five times a second."""
        agent = self._agent
        agent.follow(path, lambda: not agent.exists(f"/proc/{pid}/stat"), transcript)
