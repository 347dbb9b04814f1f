"""The guest's end of a virtio-serial port on which qemu-guest-agent answers.

It takes a JSON object and answers it by a line that is one (QEMU's qga/qapi-schema.json). Nothing
in an answer says to what. So a connection begins with guest-sync-delimited: nothing comes after its
answer that an earlier connection has left in the port.
"""

from __future__ import annotations

import base64
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .guest import POLL, Result
from .transcript import Transcript

FIRST_ANSWER_SECONDS = 60.0
ATTEMPT = 5.0
"""Seconds for an answer to the first message, which firmware may have swallowed: then again."""
ANSWER = 60.0
"""Deadline, in seconds, for what takes the agent milliseconds."""
PIECE = 256 * 1024
"""Bytes of a file in one message, in which they take a third more."""
DELIMITER = b"\xff"
"""In no UTF-8: after it, a parser begins anew."""
SHELL = "/bin/bash"
ENVIRONMENT = ["HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
SIGNALLED = 128
"""Added to the number of a signal that has ended a command, as shells do."""


class AgentError(Exception):
    """The agent refused something; the message is its own."""


class Agent:
    """A connection to the agent by the host's end of its port. Any thread may use it.

    OSError if the agent is silent, or the connection has been closed.
    """

    def __init__(self, path: Path, timeout: float = FIRST_ANSWER_SECONDS) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._open()
        deadline = time.monotonic() + timeout
        while not self._connected():
            if time.monotonic() > deadline:
                raise ConnectionError(f"no guest agent answered at {path} within {timeout:g} s")

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):  # wakes who waits for an answer in another thread
            self._socket.shutdown(socket.SHUT_RDWR)
        self._answers.close()
        self._socket.close()

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """Run a command of the agent's own; AgentError if it refuses."""
        with self._turn:
            self._say(command, arguments or {})
            answer = json.loads(self._line())
        if "error" in answer:
            raise AgentError(f"{command}: {answer['error'].get('desc', answer['error'])}")
        return answer["return"]

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
            for start in range(0, len(content), PIECE):
                piece = base64.b64encode(content[start : start + PIECE]).decode()
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

        threading.Thread(target=pump, name=transcript.name, daemon=True).start()

    def exists(self, path: str) -> bool:
        """Whether there is a file that can be read."""
        try:
            with self._file(path, "rb"):
                return True
        except AgentError:
            return False

    def _open(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ATTEMPT)
        self._answers = self._socket.makefile("rb")

    def _connected(self) -> bool:
        self.close()
        self._open()
        number = random.getrandbits(31)
        try:
            self._socket.connect(str(self._path))
            self._socket.sendall(DELIMITER)
            self._say("guest-sync-delimited", {"id": number})
            while not _answers_to(number, self._line()):
                pass
        except OSError:
            return False
        self._socket.settimeout(ANSWER)
        return True

    def _say(self, command: str, arguments: dict[str, object]) -> None:
        message = {"execute": command, "arguments": arguments}
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def _line(self) -> bytes:
        line = self._answers.readline()
        if not line:
            raise ConnectionError("the guest agent's port was closed")
        return line

    @contextmanager
    def _file(self, path: str, mode: str) -> Iterator[int]:
        handle = self.execute("guest-file-open", {"path": path, "mode": mode})
        try:
            yield handle
        finally:
            self.execute("guest-file-close", {"handle": handle})

    def _read(self, handle: int) -> bytes:
        read = self.execute("guest-file-read", {"handle": handle, "count": PIECE})
        return base64.b64decode(read["buf-b64"])


def _answers_to(number: int, line: bytes) -> bool:
    """Whether a line, after whatever stands before the delimiter, is the answer to our sync."""
    _, delimiter, message = line.rpartition(DELIMITER)
    return bool(delimiter) and json.loads(message).get("return") == number


def _text(status: dict[str, Any], stream: str) -> str:
    return base64.b64decode(status.get(stream, "")).decode(errors="replace")
