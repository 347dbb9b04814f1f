"""What can be had of qemu-guest-agent: commands, and files, piece by piece."""

from __future__ import annotations

import base64
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from .guest import POLL, Result
from .transcript import Transcript

SHELL = "/bin/bash"
ENVIRONMENT = ["HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
SIGNALLED = 128
"""Added to the number of a signal that has ended a command, as shells do."""


class AgentError(Exception):
    """The agent refused something; the message is its own."""


class Agent(ABC):
    """An agent that answers. Any thread may use it; OSError if it doesn't any more."""

    piece = 256 * 1024
    """Bytes of a file in one message, in which they take a third more."""

    def __init__(self) -> None:
        self._followers: list[threading.Thread] = []

    @abstractmethod
    def close(self) -> None:
        """Hang up."""

    @abstractmethod
    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """Run a command of the agent's own; AgentError if it refuses."""

    def ping(self) -> None:
        """Nothing but an answer."""
        self.execute("guest-ping")

    def run(self, command: str, timeout: float) -> Result:
        """Run a command line by the shell; TimeoutError if it isn't over in time.

        AgentError if it has printed more than the agent keeps, which is 16 MiB.
        """
        call = {"path": SHELL, "arg": ["-c", f"cd 2> /dev/null; {command}"], "env": ENVIRONMENT}
        started = self.execute("guest-exec", {**call, "capture-output": True})
        deadline = time.monotonic() + timeout
        pause = POLL / 16
        while not (status := self.execute("guest-exec-status", started))["exited"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not over within {timeout:g} s: {command}")
            time.sleep(pause)
            pause = min(2 * pause, POLL)
        if status.get("out-truncated") or status.get("err-truncated"):
            raise AgentError(f"it printed more than the agent keeps: {command}")
        ended = SIGNALLED + status["signal"] if "signal" in status else status["exitcode"]
        return Result(command, ended, _text(status, "out-data"), _text(status, "err-data"))

    def put(self, content: bytes, path: str) -> None:
        """Write a file, into a folder that exists."""
        with self._file(path, "wb") as handle:
            for start in range(0, len(content), self.piece):
                piece = base64.b64encode(content[start : start + self.piece]).decode()
                self.execute("guest-file-write", {"handle": handle, "buf-b64": piece})

    def get(self, path: str) -> bytes:
        """What is in a file."""
        with self._file(path, "rb") as handle:
            return b"".join(iter(lambda: self._read(handle), b""))

    def follow(self, path: str, is_over: Callable[[], bool], transcript: Transcript) -> None:
        """Feed a file that grows to a transcript, in a thread that ends with it, or with us."""

        def pump() -> None:
            with suppress(OSError, AgentError), self._file(path, "rb") as handle:
                over = False
                while not over:
                    over = is_over()  # asked first: what was written until then is read yet
                    while data := self._read(handle):
                        transcript.feed(data)
                    time.sleep(0 if over else POLL)
            transcript.end("end of file")

        thread = threading.Thread(target=pump, name=transcript.name, daemon=True)
        self._followers = [each for each in self._followers if each.is_alive()] + [thread]
        thread.start()

    def await_followers(self, timeout: float) -> None:
        """Wait for the ends of all files that are followed, of which the agent holds each open."""
        for thread in self._followers:
            thread.join(timeout)

    def exists(self, path: str) -> bool:
        """Whether there is a file that can be read."""
        try:
            with self._file(path, "rb"):
                return True
        except AgentError:
            return False

    @contextmanager
    def _file(self, path: str, mode: str) -> Iterator[int]:
        handle = self.execute("guest-file-open", {"path": path, "mode": mode})
        try:
            yield handle
        finally:
            self.execute("guest-file-close", {"handle": handle})

    def _read(self, handle: int) -> bytes:
        read = self.execute("guest-file-read", {"handle": handle, "count": self.piece})
        return base64.b64decode(read["buf-b64"])


def _text(status: dict[str, Any], stream: str) -> str:
    return base64.b64decode(status.get(stream, "")).decode(errors="replace")
