"""The Debian guest, by SSH over the management NIC."""

from __future__ import annotations

import io
import shlex
import tarfile
import time
from typing import Self

from harness.cache import ROOT
from harness.guest import Guest, GuestProcess, Result, python_files
from harness.image import Image
from harness.ssh import SSH, Access
from harness.transcript import Transcript
from harness.vm import VM

HOME = "/opt/vsocks"
LOGS = "/var/log/vsocks"


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
        self._ssh = SSH(Access(vm.ssh_port(), "root", image.key, image.host_key))
        self._started = 0
        self._uploads = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._ssh.close()

    def reconnect(self) -> None:
        """Needed after a reset or a return to a snapshot: the connection knows nothing of it."""
        self._ssh.connect()

    def run(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command line in root's shell; `timeout` is for each wait for a sign of life."""
        return self._ssh.run(command, timeout)

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
        self._ssh.follow(command, transcript)

    def upload(self, files: dict[str, bytes], folder: str) -> None:
        """Send the files as one tar archive; they are still there after a reset."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.mtime = len(content), 0o644, int(time.time())
                tar.addfile(entry, io.BytesIO(content))
        self._uploads += 1
        path = f"/tmp/upload-{self._uploads}.tar.gz"
        self._ssh.put(archive.getvalue(), path)
        unpack = f"mkdir -p {folder} && tar -xzf {path} -C {folder} && rm {path} && sync"
        self.succeed(unpack, timeout=120)

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
