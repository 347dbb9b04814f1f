"""QEMU, with machines that never run an instruction."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.support.waiting import eventually
from tests.support.program import running

#: A slot that takes devices while the machine runs, and lets them go unless a guest has seen them.
ROOT_PORT = (
    *("-machine", "q35", "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
    *("-device", "pcie-root-port,id=spare,chassis=9"),
)


@contextmanager
def stopped_machine(folder: Path, *options: str) -> Iterator[Path]:
    """One of them; gives its QMP socket."""
    qmp = folder / "qmp"
    command = ["qemu-system-x86_64", "-S", "-nodefaults", "-display", "none", "-m", "64"]
    command += ["-accel", "tcg", "-qmp", f"unix:{qmp},server=on,wait=off", *options]
    with running(command, stdin=subprocess.DEVNULL) as process:

        def is_there() -> None:
            assert process.poll() is None, "QEMU has ended"
            assert qmp.exists()

        eventually(is_there)
        yield qmp
