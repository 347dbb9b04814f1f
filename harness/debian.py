"""The Debian guest, by SSH over the management NIC."""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
import threading
import time
from typing import Self

import paramiko

from harness.cache import ROOT
from harness.guest import Guest, GuestProcess, Result, python_files
from harness.image import Image
from harness.transcript import Transcript
from harness.vm import VM

HOME = "/opt/vsocks"
LOGS = "/var/log/vsocks"
FIRST_ANSWER_SECONDS = 60


class DebianProcess(GuestProcess):
    """A process with its log in a file of the guest, which is followed over a channel of SSH.

    The file, unlike the channel, is still there after the machine went back to a snapshot.
    """

    def __init__(self, guest: DebianGuest, name: str, pid: int, path: str) -> None:
        self.name = name
        self.pid = pid
        self.path = path
        self._guest = guest
        self.follow()

    def follow(self) -> None:
        """Read the log file, and what is added to it until the process ends."""
        self.log = Transcript(f"{self.name} (process {self.pid} of the guest)")
        self._guest.follow(f"tail -n +1 -s 0.2 --pid={self.pid} -f {self.path}", self.log)

    def kill(self, signal: str = "KILL") -> None:
        """Send a signal, if the process is still there."""
        self._guest.run(f"kill -{signal} {self.pid}")

    def is_running(self) -> bool:
        """Whether its number is still taken."""
        return self._guest.run(f"kill -0 {self.pid}").status == 0

    def full_log(self) -> str:
        """The log file in the guest."""
        return self._guest.run(f"cat {self.path}").stdout


class DebianGuest(Guest):
    """A connection to the Debian guest; `python3 -m vsocks` is the daemon in it."""

    kind = "Linux"
    channel = "virtio"
    scratch = "/var/tmp"
    port = "/dev/virtio-ports/org.vsocks.0"

    def __init__(self, vm: VM, image: Image) -> None:
        self._port = vm.ssh_port()
        self._image = image
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        host_key = paramiko.Ed25519Key(data=base64.b64decode(image.host_key))
        self._client.get_host_keys().add(f"[127.0.0.1]:{self._port}", "ssh-ed25519", host_key)
        self._started = 0
        self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def reconnect(self) -> None:
        """Needed after a reset or a return to a snapshot: the connection knows nothing of it."""
        self._client.close()
        self._connect()

    def run(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command line in root's shell; `timeout` is for each wait for a sign of life."""
        with self._channel() as channel:
            channel.settimeout(timeout)
            try:
                channel.exec_command(command)
                errors = _Drain(channel)
                stdout = b"".join(iter(lambda: channel.recv(65536), b""))
            except TimeoutError:
                raise TimeoutError(f"silent for {timeout:g} s: {command}") from None
            stderr = errors.result(timeout)
            return Result(
                command,
                channel.recv_exit_status(),
                stdout.decode(errors="replace"),
                stderr.decode(errors="replace"),
            )

    def start(self, name: str, command: str, *, through_pipe: bool = False) -> GuestProcess:
        """Start one program (no pipes, no `;`), of which the returned number is the process's.

        Its output goes straight into the log file, unless it has to be a pipe.
        """
        self._started += 1
        path = f"{LOGS}/{name}-{self._started}.log"
        output, pipe = path, ""
        if through_pipe:
            output = f"{path}.pipe"
            pipe = f"mkfifo {output}; cat < {output} > {path} 2> /dev/null & "
        # The inner shell says its own number and becomes the program, which thereby is its number.
        inner = shlex.quote(f"{pipe}echo $$; exec {command} > {output} 2>&1 < /dev/null")
        pid = self.succeed(f"mkdir -p {LOGS}; : > {path}; setsid sh -c {inner} &")
        return DebianProcess(self, name, int(pid), path)

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

    def upload(self, files: dict[str, bytes], folder: str) -> None:
        """Send the files as one tar archive; they are still there after a reset."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = len(content), 0o644, int(time.time())
                tar.addfile(entry, io.BytesIO(content))
        with self._channel() as channel:
            channel.settimeout(60)
            channel.exec_command(f"mkdir -p {folder} && tar -xzf - -C {folder} && sync")
            channel.sendall(archive.getvalue())
            channel.shutdown_write()
            status = channel.recv_exit_status()
        if status:
            raise OSError(f"upload to {folder} of the guest: tar ended with status {status}")

    def deploy(self) -> None:
        """Upload the vsocks folder and compile it, so that no daemon's start waits for that."""
        self.upload(python_files(ROOT / "vsocks"), HOME)
        self.succeed(f"python3 -m compileall -q {HOME}")

    def daemon_command(self, *arguments: str) -> str:
        """`python3 -m vsocks guest` from the uploaded folder."""
        return self.module_command(HOME, "vsocks", "guest", "--channel", self.channel, *arguments)

    def module_command(self, folder: str, module: str, *arguments: str) -> str:
        """`python3 -m MODULE…`."""
        python = ["env", f"PYTHONPATH={folder}", "PYTHONUNBUFFERED=1", "python3", "-m"]
        return shlex.join([*python, module, *arguments])

    def command_line(self, *arguments: str) -> str:
        """Quoted for a POSIX shell."""
        return shlex.join(arguments)

    def sha256(self, path: str) -> str:
        """By sha256sum."""
        return self.succeed(self.command_line("sha256sum", path), timeout=120).split()[0]

    def has_way_out(self) -> bool:
        """Whether there is a default route."""
        return "default" in self.succeed("ip route")

    def daemon_logs(self) -> str:
        """The log files of everything that was started."""
        return self.succeed(f"tail -n 2000 {LOGS}/*.log /dev/null")

    def wait_for_open_port(self, port: int, *, timeout: float = 60) -> None:
        """Look for a listener in the kernel's table (0A), which disturbs it by no connection."""
        look = f"grep -q ':{port:04X} [0-9A-F]*:0000 0A' /proc/net/tcp /proc/net/tcp6"
        self.wait_until_succeeds(look, timeout=timeout)

    def _connect(self) -> None:
        """QEMU accepts for the guest even while no sshd listens yet: try until one answers."""
        deadline = time.monotonic() + FIRST_ANSWER_SECONDS
        while not self._connected():
            if time.monotonic() > deadline:
                raise ConnectionError(f"no sshd answered within {FIRST_ANSWER_SECONDS} s")
            time.sleep(0.1)

    def _connected(self) -> bool:
        try:
            self._client.connect(
                "127.0.0.1",
                self._port,
                "root",
                key_filename=str(self._image.key),
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

    def _channel(self) -> paramiko.Channel:
        transport = self._client.get_transport()
        if transport is None:
            raise ConnectionError("not connected to the guest")
        return transport.open_session(timeout=30)


class _Drain:
    """Reads stderr of a channel beside stdout: a full window of one must not stop the other."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._data = b""
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        self._thread.start()

    def result(self, timeout: float) -> bytes:
        self._thread.join(timeout)
        return self._data

    def _run(self) -> None:
        try:
            while data := self._channel.recv_stderr(65536):
                self._data += data
        except TimeoutError:
            return
