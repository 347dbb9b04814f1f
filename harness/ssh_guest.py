"""What guests that are reached by SSH have in common."""

from __future__ import annotations

import io
import tarfile
import time
from abc import abstractmethod
from dataclasses import replace
from itertools import count

from .guest import Guest, GuestProcess, Result
from .ssh import FIRST_ANSWER_SECONDS, SSH, Access
from .transcript import Transcript


class SSHGuest(Guest):
    """A connection by SSH; commands run in the account's shell."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._ssh = SSH(access)
        self._numbers = count(1)

    def close(self) -> None:
        """Hang up."""
        self._ssh.close()

    def reconnect(self) -> None:
        """Needed after a reset or a return to a snapshot: the connection knows nothing of it."""
        self._ssh.connect()

    @property
    def access(self) -> Access:
        """How it is reached at present."""
        return self._access

    def go_through(self, port: int, timeout: float = FIRST_ANSWER_SECONDS) -> None:
        """Reach the guest by another port of this machine from now on.

        Raises ConnectionError, and leaves things as they are, if nobody answers there in time.
        """
        access = replace(self._access, port=port)
        ssh = SSH(access, timeout)
        self._ssh.close()
        self._ssh, self._access = ssh, access

    def run(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command line; `timeout` is for each wait for a sign of life."""
        return self._ssh.run(command, timeout)

    def follow(self, command: str, transcript: Transcript) -> None:
        """Feed what a command prints to a transcript, in a thread that ends with the command."""
        self._ssh.follow(command, transcript)


class FollowedProcess(GuestProcess):
    """A process with its log in a file of the guest, which is followed by a command over SSH.

    The file, unlike the connection, is still there after the machine went back to a snapshot.
    """

    def __init__(self, guest: SSHGuest, name: str, pid: int, path: str) -> None:
        self.name = name
        self.pid = pid
        self.path = path
        self.guest = guest
        self.follow()

    @abstractmethod
    def follow_command(self) -> str:
        """Prints the log file, and what is added to it until the process ends."""

    def follow(self) -> None:
        """Read the log file, from its beginning."""
        self.log = Transcript(f"{self.name} (process {self.pid} of the guest)")
        self.guest.follow(self.follow_command(), self.log)


def archive(files: dict[str, bytes]) -> bytes:
    """The files (name to content) as a tar archive, packed: an emulated guest decrypts slowly."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, int(time.time())
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
