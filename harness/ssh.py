"""A connection to a guest by SSH, whatever system it runs."""

from __future__ import annotations

import base64
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import paramiko

from .guest import Result
from .transcript import Transcript

FIRST_ANSWER_SECONDS = 60
ANYBODY = "anybody"
"""Instead of a server's key: for a port of ours, behind which nobody else can be."""
SSH_PORT = 22
"""The one that isn't named in `known_hosts`."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to get in: a port, an account, its key, and whom to expect there."""

    port: int
    account: str
    key: Path
    host_key: str
    """The server's ed25519 key, base64, without the type in front; if it is empty, the user's own
    `known_hosts` decides."""
    host: str = "127.0.0.1"
    password: str = ""
    """Instead of the key."""

    def __str__(self) -> str:
        return f"{self.account}@{self.host}:{self.port}"


class SSH:
    """A connection that can be made anew. Commands run in the account's default shell."""

    def __init__(self, access: Access, timeout: float = FIRST_ANSWER_SECONDS) -> None:
        self._access = access
        self._timeout = timeout
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        _tell_whom_to_expect(self._client, access)
        self.connect()

    def connect(self) -> None:
        """Hang up if need be, and connect: somebody may accept for a server that is not up yet."""
        self.close()
        deadline = time.monotonic() + self._timeout
        while not self._connected():
            if time.monotonic() > deadline:
                raise ConnectionError(f"no SSH server answered within {self._timeout:g} s")
            time.sleep(0.1)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def run(self, command: str, timeout: float) -> Result:
        """Run a command line to its end; `timeout` is for each wait for a sign of life."""
        with self._channel() as channel:
            channel.settimeout(timeout)
            errors = bytearray()
            # Both at once: a full window of one must not stop the other.
            drain = threading.Thread(target=_drain, args=(channel, errors), daemon=True)
            try:
                channel.exec_command(command)
                drain.start()
                stdout = b"".join(iter(lambda: channel.recv(65536), b""))
            except TimeoutError:
                raise TimeoutError(f"silent for {timeout:g} s: {command}") from None
            drain.join(timeout)
            if not channel.status_event.wait(timeout):
                raise TimeoutError(f"its status did not come within {timeout:g} s: {command}")
            return Result(
                command,
                channel.recv_exit_status(),
                stdout.decode(errors="replace"),
                errors.decode(errors="replace"),
            )

    def follow(self, command: str, transcript: Transcript) -> None:
        """Feed what a command prints to a transcript, in a thread that ends with the command."""
        channel = self._channel()
        channel.set_combine_stderr(True)
        channel.exec_command(command)

        def pump() -> None:
            with channel:
                while data := channel.recv(65536):
                    transcript.feed(data)
            transcript.end("end of file")

        threading.Thread(target=pump, name=transcript.name, daemon=True).start()

    def put(self, content: bytes, path: str) -> None:
        """Write a file by SFTP, into a folder that exists."""
        transport = self._transport()
        sftp = paramiko.SFTPClient.from_transport(transport)
        assert sftp, "the server has no SFTP"
        with sftp, sftp.open(path, "wb") as file:
            file.set_pipelined(True)
            file.write(content)

    def get(self, path: str) -> bytes:
        """What is in a file, by SFTP; OSError if there is none."""
        sftp = paramiko.SFTPClient.from_transport(self._transport())
        assert sftp, "the server has no SFTP"
        with sftp, sftp.open(path, "rb") as file:
            file.prefetch()
            return file.read()

    def _connected(self) -> bool:
        access = self._access
        try:
            self._client.connect(
                access.host,
                access.port,
                access.account,
                password=access.password or None,
                key_filename=None if access.password else str(access.key),
                allow_agent=False,
                look_for_keys=False,
                timeout=10,
                banner_timeout=10,
                auth_timeout=20,
            )
        except (paramiko.AuthenticationException, paramiko.BadHostKeyException):
            raise
        except (paramiko.SSHException, OSError, EOFError):
            return False
        return True

    def _transport(self) -> paramiko.Transport:
        transport = self._client.get_transport()
        if transport is None:
            raise ConnectionError("not connected to the guest")
        return transport

    def _channel(self) -> paramiko.Channel:
        return self._transport().open_session(timeout=30)


def _drain(channel: paramiko.Channel, into: bytearray) -> None:
    try:
        while data := channel.recv_stderr(65536):
            into += data
    except TimeoutError:
        return


def _tell_whom_to_expect(client: paramiko.SSHClient, access: Access) -> None:
    """Raises ConnectionError if nothing is known of the server."""
    if access.host_key == ANYBODY:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        return
    place, known = f"[{access.host}]:{access.port}", client.get_host_keys()
    name = access.host if access.port == SSH_PORT else place
    if access.host_key:
        key = paramiko.Ed25519Key(data=base64.b64decode(access.host_key))
        known.add(name, "ssh-ed25519", key)
        return
    file = Path.home() / ".ssh" / "known_hosts"
    with suppress(FileNotFoundError):
        client.load_host_keys(str(file))
    if not known.lookup(name):
        raise ConnectionError(
            f"{file} doesn't know {name}: connect once with the ssh program, or give the host's key"
        )
