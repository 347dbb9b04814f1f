"""The Debian guest, and how it is reached by SSH over the management NIC."""

from __future__ import annotations

import shlex
import sys
from abc import abstractmethod
from itertools import count

from .bytecode import compiled_zip
from .guest import Guest, GuestProcess, python_files
from .image import Image
from .places import PROGRAM
from .ssh import Access
from .ssh_guest import SSHGuest, archive
from .transcript import Transcript
from .vm import VM

HOME = "/opt/vsocks"
LOGS = "/var/log/vsocks"
HOG = """
import os, sys, time
with open("/proc/sys/kernel/sched_rt_runtime_us", "w") as limit:
    limit.write("-1")
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    pass
"""
"""Takes the guest's only processor; what interrupts it is the kernel alone."""
PYTHON = "cpython-311"
"""What the guest's Python calls its compiled files."""


class DebianProcess(GuestProcess):
    """A process that a shell has started, with its log in a file of the guest."""

    def __init__(self, guest: Debian, name: str, pid: int, path: str) -> None:
        self.name = name
        self.pid = pid
        self.path = path
        self.guest = guest
        self.follow()

    def follow(self) -> None:
        """Read the log file, from its beginning."""
        self.log = Transcript(f"{self.name} (process {self.pid} of the guest)")
        self.guest.follow_log(self.path, self.pid, self.log)

    def kill(self, signal: str = "KILL") -> None:
        """Send a signal, if the process is still there."""
        self.guest.run(f"kill -{signal} {self.pid}")

    def is_running(self) -> bool:
        """Whether its number is still taken."""
        return self.guest.run(f"kill -0 {self.pid}").status == 0

    def full_log(self) -> str:
        """The log file in the guest."""
        return self.guest.run(f"cat {self.path}").stdout


class Debian(Guest):
    """The Debian guest, whatever the way in; `python3 -m vsocks` is the daemon in it."""

    kind = "Linux"
    channel = "virtio"
    scratch = "/var/tmp"
    spool = "/tmp"
    """Where archives are for a moment."""
    home = HOME
    """Where vsocks is: a folder, or a zip of that name."""
    logs = LOGS
    """What was started writes here."""
    port = "/dev/virtio-ports/org.vsocks.0"

    def __init__(self) -> None:
        self._files = count(1)

    @abstractmethod
    def put(self, content: bytes, path: str) -> None:
        """Write a file, into a folder that exists."""

    @abstractmethod
    def follow_log(self, path: str, pid: int, transcript: Transcript) -> None:
        """Feed a log file to a transcript, in a thread that ends with the process that writes."""

    def start(self, name: str, command: str, *, through_pipe: bool = False) -> GuestProcess:
        """Start one program (no pipes, no `;`), of which the returned number is the process's.

        Its output goes straight into the log file, unless it has to be a pipe.
        """
        path = f"{self.logs}/{name}-{next(self._files)}.log"
        output, pipe = path, ""
        if through_pipe:
            output = f"{path}.pipe"
            pipe = f"mkfifo {output}; cat < {output} > {path} 2> /dev/null & "
        # The inner shell says its own number and becomes the program, which thereby is its number.
        inner = shlex.quote(f"{pipe}echo $$; exec {command} > {output} 2>&1 < /dev/null")
        pid = self.succeed(f"mkdir -p {self.logs}; : > {path}; setsid sh -c {inner} &")
        return DebianProcess(self, name, int(pid), path)

    def upload(self, files: dict[str, bytes], folder: str) -> None:
        """Send the files as one tar archive; they are still there after a reset."""
        path = f"{self.spool}/upload-{next(self._files)}.tar"
        self.put(archive(files), path)
        self.unpack(path, folder)

    def unpack(self, path: str, folder: str) -> None:
        """Unpack an archive of the guest into a folder, and remove it."""
        unpack = f"mkdir -p {folder} && tar -xf {path} -C {folder} && rm {path} && sync"
        self.succeed(unpack, timeout=120)

    def deploy(self) -> None:
        """Upload vsocks as a zip, from which Python runs it: no unpacking, and no compiling."""
        files = python_files(PROGRAM)
        if sys.implementation.cache_tag == PYTHON:
            path = self._zip()
            self.put(compiled_zip(files, path), path)
            self.succeed("sync")
        else:
            self.upload(files, self.home)
            self.succeed(f"python3 -m compileall -q {self.home}")

    def daemon_command(self, *arguments: str) -> str:
        """`python3 -m vsocks guest` from what was uploaded."""
        arguments = ("guest", "--channel", self.channel, *arguments)
        return self.module_command(f"{self._zip()}:{self.home}", "vsocks", *arguments)

    def _zip(self) -> str:
        return f"{self.home}.zip"

    def module_command(self, folder: str, module: str, *arguments: str) -> str:
        """`python3 -m MODULE…`."""
        python = ["env", f"PYTHONPATH={folder}", "PYTHONUNBUFFERED=1", "python3", "-m"]
        return shlex.join([*python, module, *arguments])

    def hang(self, seconds: float) -> None:
        """Let no program in the guest have a turn for so long; returns when that is over."""
        command = self.command_line("python3", "-c", HOG, f"{seconds:g}")
        self.succeed(command, timeout=seconds + 60)

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
        return self.succeed(f"tail -n 2000 {self.logs}/*.log /dev/null")

    def wait_for_open_port(self, port: int, *, timeout: float = 60) -> None:
        """Look for a listener in the kernel's table (0A), which disturbs it by no connection."""
        look = f"grep -q ':{port:04X} [0-9A-F]*:0000 0A' /proc/net/tcp /proc/net/tcp6"
        self.wait_until_succeeds(look, timeout=timeout)


class DebianGuest(Debian, SSHGuest):
    """A connection by SSH."""

    def __init__(self, vm: VM, image: Image) -> None:
        Debian.__init__(self)
        SSHGuest.__init__(self, Access(vm.ssh_port(), "root", image.key, image.host_key))

    def put(self, content: bytes, path: str) -> None:
        """By SFTP."""
        self._ssh.put(content, path)

    def download(self, path: str) -> bytes:
        """By SFTP."""
        return self._ssh.get(path)

    def follow_log(self, path: str, pid: int, transcript: Transcript) -> None:
        """By tail, which looks five times a second."""
        self.follow(f"tail -n +1 -s 0.2 --pid={pid} -f {path}", transcript)
