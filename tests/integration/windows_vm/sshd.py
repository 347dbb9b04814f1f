"""A real OpenSSH server on a loopback port, with keys and a configuration of its own."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.ssh import Access
from harness.transcript import Pump, Transcript
from harness.windows.build import make_key

SSHD = "/usr/sbin/sshd"
SFTP = "/usr/lib/openssh/sftp-server"

CONFIGURATION = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp {sftp}
{more}
"""


@dataclass
class Server:
    """A running sshd, and how to get into it."""

    folder: Path
    access: Access
    log: Transcript
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End it; connections that it has already stay, as processes of their own."""
        self.process.terminate()
        self.process.wait(10)


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as it:
        return int(it.getsockname()[1])


@contextmanager
def sshd(folder: Path, more: str = "", port: int = 0) -> Iterator[Server]:
    """A server, started and listening. `more` is added to its configuration."""
    if os.geteuid() == 0:
        # It chroots into this empty directory before it knows its client.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = port or free_port()
    if not (folder / "key").exists():
        make_key(folder / "key")
        make_key(folder / "host_key")
    configuration = folder / "sshd_config"
    configuration.write_text(CONFIGURATION.format(port=port, folder=folder, sftp=SFTP, more=more))
    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(configuration)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr
    log = Transcript("sshd")
    pump = Pump(os.dup(process.stderr.fileno()), log, folder / "sshd.log")
    host_key = (folder / "host_key.pub").read_text().split()[1]
    access = Access(port, getpass.getuser(), folder / "key", host_key)
    server = Server(folder, access, log, process)
    try:
        log.wait("Server listening", timeout=20, failing=("error", "fatal", "Bad"))
        yield server
    finally:
        server.stop()
        process.stderr.close()
        print(log.text(), file=sys.stderr)
        del pump
