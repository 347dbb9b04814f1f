"""The guest's end of a virtio-serial port on which qemu-guest-agent answers.

It takes a JSON object and answers it by a line that is one (QEMU's qga/qapi-schema.json). Nothing
in an answer says to what. So a connection begins with guest-sync-delimited: nothing comes after its
answer that an earlier connection has left in the port.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .agent import Agent, AgentError

FIRST_ANSWER_SECONDS = 60.0
ATTEMPT = 5.0
"""Seconds for an answer to the first message, which firmware may have swallowed: then again."""
ANSWER = 60.0
"""Deadline, in seconds, for what takes the agent milliseconds."""
DELIMITER = b"\xff"
"""In no UTF-8: after it, a parser begins anew."""


class AgentPort(Agent):
    """A connection to the agent by the host's end of its port. Any thread may use it.

    OSError if the agent is silent, or the connection has been closed.
    """

    def __init__(self, path: Path, timeout: float = FIRST_ANSWER_SECONDS) -> None:
        super().__init__()
        self._path = path
        self._turn = threading.Lock()
        self._open()
        deadline = time.monotonic() + timeout
        while not self._connected():
            if time.monotonic() > deadline:
                self.close()
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


def _answers_to(number: int, line: bytes) -> bool:
    """Whether a line, after whatever stands before the delimiter, is the answer to our sync."""
    _, delimiter, message = line.rpartition(DELIMITER)
    return bool(delimiter) and json.loads(message).get("return") == number
