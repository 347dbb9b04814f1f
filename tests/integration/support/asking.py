"""A host daemon asked through its control socket, by the commands and by bytes."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.integration.support.command_line import run
from tests.integration.support.waiting import DEADLINE

Told = dict[str, Any]


class Asking:
    """The control socket at `path`, which `options` have a host daemon listen on."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "control.sock"
        self.options = ("--control", str(self.path))

    def run(self, *words: str, prefix: Sequence[str] = ()) -> CompletedProcess[str]:
        """`vsocks WORDS`, there."""
        return run(*words, *self.options, prefix=prefix)

    def say(self, *words: str) -> str:
        """What it prints for people; it must succeed."""
        done = self.run(*words)
        assert not done.returncode, done.stderr
        return done.stdout

    def told(self, *words: str) -> list[Told]:
        """What it prints for programs, by objects; it must succeed."""
        return [json.loads(line) for line in self.say(*words, "--json").splitlines()]

    def connect(self) -> socket.socket:
        """A client by hand."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(str(self.path))
        return client


def answer(client: socket.socket, line: bytes) -> list[Told]:
    """The objects of the answer to a line, with its end."""
    client.sendall(line + b"\n")
    told: list[Told] = []
    with client.makefile("rb") as lines:
        while not told or "end" not in told[-1]:
            told.append(json.loads(lines.readline()))
    return told
