"""Journals that take entries: one that plays systemd-journald, and the real one on its own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support.waiting import DEADLINE, eventually

_JOURNALD = "/usr/lib/systemd/systemd-journald"
_IN_A_SYSTEM_OF_ITS_OWN = ("unshare", "--user", "--map-root-user", "--mount")


class PlayedJournal:
    """Takes entries at `path` by the native protocol, systemd.io/JOURNAL_NATIVE_PROTOCOL."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(DEADLINE)

    def __enter__(self) -> PlayedJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go, as if journald had ended."""
        self.socket.close()
        self.path.unlink(missing_ok=True)

    def entry(self) -> dict[str, str]:
        """The next one."""
        return parse(self.socket.recv(1 << 18))

    def waiting(self) -> list[dict[str, str]]:
        """All that have come."""
        entries = []
        self.socket.setblocking(False)
        try:
            while True:
                entries.append(self.entry())
        except BlockingIOError:
            return entries
        finally:
            self.socket.settimeout(DEADLINE)


def parse(datagram: bytes) -> dict[str, str]:
    """An entry's fields, of either form."""
    fields: dict[str, str] = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(datagram[:8], "little")
            value, datagram = datagram[8 : 8 + size], datagram[8 + size :]
            assert datagram[:1] == b"\n"
            datagram = datagram[1:]
        assert name.isupper(), f"no name of a field: {name!r}"
        fields[name.decode()] = value.decode()
    return fields


class RealJournal:
    """systemd-journald in a system of its own, whose /run has nothing else."""

    def __init__(self, process: int) -> None:
        #: Before a command: it runs in that system.
        self.prefix = (
            *("nsenter", "--user", "--mount", "--preserve-credentials"),
            *(f"--wdns={Path.cwd()}", "--target", str(process)),
        )

    def entries(self) -> list[dict[str, Any]]:
        """What `journalctl` has of the audit."""
        command = [*self.prefix, "journalctl", "--identifier=vsocks-audit", "--output=json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def real_journal() -> Iterator[RealJournal]:
    """Skips the test where it isn't installed, or can't have a system of its own."""
    if not Path(_JOURNALD).exists() or shutil.which("journalctl") is None:
        pytest.skip("systemd-journald is not installed here")
    script = f'mount -t tmpfs tmpfs /run && echo ready && exec "{_JOURNALD}"'
    command = [*_IN_A_SYSTEM_OF_ITS_OWN, "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                assert process.stderr is not None
                pytest.skip(f"no system of its own can be made here: {process.stderr.read()!r}")
            taken = Path(f"/proc/{process.pid}/root/run/systemd/journal/socket")

            def listens() -> None:
                assert taken.is_socket()

            eventually(listens)
            yield RealJournal(process.pid)
        finally:
            process.kill()
