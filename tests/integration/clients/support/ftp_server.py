"""An FTP server on loopback: pyftpdlib."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.transcript import Transcript
from tests.integration.clients.support.server_process import server_process

USER, PASSWORD = "carol", "sesame"
STARTED = r"starting FTP server on 127\.0\.0\.1:(\d+)"


@dataclass(frozen=True)
class FtpServer:
    """A running server; USER may read and write in its folder."""

    port: int
    log: Transcript

    def active_connections(self) -> int:
        """How many connections for data the server has made itself."""
        return self.log.text().count("Active data connection established")


@contextmanager
def ftp_server(folder: Path, logs: Path) -> Iterator[FtpServer]:
    """Serve `folder`; the server's log goes to the folder `logs`."""
    command = [
        *(sys.executable, "-W", "ignore", "-m", "pyftpdlib", "--debug"),
        *("--interface", "127.0.0.1", "--port", "0", "--directory", str(folder), "--write"),
        *("--username", USER, "--password", PASSWORD),
    ]
    with server_process(command, logs, ready=STARTED, failing=("Error",)) as log:
        found = re.search(STARTED, log.text())
        assert found
        yield FtpServer(int(found[1]), log)
