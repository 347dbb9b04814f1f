"""What systemd is to a service: it hears what the service tells, and keeps descriptors for it."""

from __future__ import annotations

import os
import select
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.integration.support.waiting import DEADLINE

LARGEST = 4096
MOST = 16


class ServiceManager:
    """Listens at a notify socket; `kept` are the descriptors in its store, by name.

    As systemd, it drops a descriptor whose other end has gone (FDPOLL=1), when next asked.
    """

    def __init__(self, directory: Path) -> None:
        self.address = directory / "notify"
        self.told: list[str] = []
        self._kept: dict[str, int] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.address))

    @property
    def environment(self) -> dict[str, str]:
        """What a service is started with."""
        return {"NOTIFY_SOCKET": str(self.address)}

    @property
    def kept(self) -> dict[str, int]:
        """The descriptors in the store, those that have hung up left out."""
        self._hear_more(0)
        for name, fd in list(self._kept.items()):
            poll = select.poll()
            poll.register(fd, 0)
            if poll.poll(0):
                os.close(self._kept.pop(name))
        return self._kept

    def wait_told(self, wanted: str, *, since: int = 0) -> int:
        """Wait until a line that begins so has been told; its number."""
        end = time.monotonic() + DEADLINE
        while True:
            for number, line in enumerate(self.told[since:], since):
                if line.startswith(wanted):
                    return number
            left = end - time.monotonic()
            assert left > 0, f"nobody told {wanted!r}, but {self.told}"
            self._hear_more(left)

    def _hear_more(self, seconds: float) -> None:
        while select.select([self._socket], [], [], seconds)[0]:
            seconds = 0
            data, descriptors, _, _ = socket.recv_fds(self._socket, LARGEST, MOST)
            lines = data.decode().split("\n")
            self.told += lines
            if "FDSTORE=1" in lines:
                [name] = [line[len("FDNAME=") :] for line in lines if line.startswith("FDNAME=")]
                [self._kept[name]] = descriptors
            else:
                assert not descriptors

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        for fd in self._kept.values():
            os.close(fd)
