"""One QEMU, as our child: its process, monitor and console."""

from __future__ import annotations

import shlex
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from .process import TETHER
from .programs import qemu
from .qmp import QMP
from .spec import Machine, Start, Wiring
from .tpm import Tpm
from .transcript import Pump, Transcript


class LaunchError(Exception):
    """QEMU did not start: command line, exit status and what it printed are in the message."""


class Qemu:
    """Runs from the constructor to `kill`. Start it from a thread that outlives it.

    The kernel kills QEMU when the thread that started it ends (setpriv --pdeathsig). Sockets lie in
    `folder`; `logs` has what QEMU, monitor and console say, each after what was there before.
    """

    outlives_us: ClassVar[bool] = False
    """Whether machines that are kept live on; then others do, too, if we are killed."""

    def __init__(
        self,
        spec: Machine,
        folder: Path,
        logs: Path,
        console: Transcript,
        start: Start = Start.DESCRIBED,
    ) -> None:
        self._log = logs / "qemu.log"
        self.tpm: Tpm | None = None
        if spec.tpm:
            self.tpm = Tpm(spec.tpm, logs / "tpm.log", outlives_us=self.outlives_us)
        qmp_ours, qmp_theirs = socket.socketpair()
        console_ours, console_theirs = socket.socketpair()
        theirs = [qmp_theirs, console_theirs, *([self.tpm.for_qemu] if self.tpm else [])]
        qmp_fd, console_fd, *tpm_fd = (end.fileno() for end in theirs)
        wiring = Wiring(folder, qmp_fd, console_fd, start, qemu(), *tpm_fd)
        self._command = spec.argv(wiring)
        try:
            self._process = self._started(theirs)
        except BaseException:
            self._end_tpm()
            raise
        self._pump = Pump(console_ours.detach(), console, logs / "console.log")
        try:
            self.qmp = QMP(qmp_ours, logs / "qmp.log")
        except BaseException as error:
            message = self._explain(error)
            self._end()
            if isinstance(error, Exception):
                raise LaunchError(message) from error
            raise

    def _started(self, theirs: list[socket.socket]) -> subprocess.Popen[bytes]:
        with ExitStack() as handed_over:
            for end in theirs:
                handed_over.enter_context(end)
            return subprocess.Popen(
                [*(() if self.outlives_us else TETHER), *self._command],
                stdin=subprocess.DEVNULL,
                stdout=(log := handed_over.enter_context(self._log.open("ab"))),
                stderr=log,
                pass_fds=[end.fileno() for end in theirs],
            )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def wait(self, timeout: float) -> None:
        """Wait until it has ended by itself; subprocess.TimeoutExpired if it doesn't."""
        self._process.wait(timeout)
        self._end_tpm()

    def kill(self) -> None:
        """End it at once, as a power cut would; harmless if it has ended."""
        self.qmp.close()
        self._end()

    def _end(self) -> None:
        # Its disk is a throw-away copy, so there is nothing to shut down in order.
        self._process.kill()
        self._process.wait()
        self._end_tpm()
        self._pump.close()

    def _end_tpm(self) -> None:
        if self.tpm:
            self.tpm.end()

    def _explain(self, error: BaseException) -> str:
        try:
            status = f"ended with status {self._process.wait(5)}"
        except subprocess.TimeoutExpired:
            status = "runs, but does not answer"
        said = "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])
        command = shlex.join(self._command)
        return f"QEMU {status} ({error!r})\ncommand: {command}\nprinted:\n{said}"
