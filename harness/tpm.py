"""A TPM 2.0 in software (swtpm) for one QEMU."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from .process import TETHER
from .programs import need

SECONDS = 10
"""Within which it ends once QEMU has hung up."""


class Tpm:
    """Runs from the constructor to `end`; `state` is the folder in which it keeps what it knows.

    QEMU is given `for_qemu`. When QEMU hangs up, swtpm saves its state and ends by itself. Two at a
    time can't have the same folder. Raises MissingProgramError if there is no swtpm.
    """

    def __init__(self, state: Path, log: Path, *, outlives_us: bool = False) -> None:
        need("swtpm")
        state.mkdir(exist_ok=True)
        ours, self.for_qemu = socket.socketpair()
        with ours, log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(() if outlives_us else TETHER),
                    *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}", "--terminate"),
                    *("--ctrl", f"type=unixio,clientfd={ours.fileno()}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(ours.fileno(),),
            )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def end(self) -> None:
        """Wait until it has saved its state and gone. QEMU has ended, or never began."""
        self.for_qemu.close()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
