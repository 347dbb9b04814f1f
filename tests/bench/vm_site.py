"""A booted guest with the load in it, and what a peer there is."""

import json
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.debian import DebianGuest
from harness.guest import python_files
from harness.vm import VM

from . import load
from .load.figures import Figures, Scale
from .load.socks5 import Address
from .peer import Targets

FOLDER = "/opt/bench"
PATIENCE = 30.0
"""Seconds within which a program is ready in such a guest."""
DEADLINE = 300.0
"""Seconds for one workload in a guest that may be emulated."""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything a peer can use during one round."""

    vm: VM
    guest: DebianGuest
    targets: Targets
    """On the host."""
    directory: Path
    """For logs."""

    @property
    def device(self) -> str:
        """The virtio-serial port in the guest."""
        return f"/dev/virtio-ports/{self.vm.spec.ports[0].name}"

    def prepare(self) -> None:
        """Bring the load into the guest."""
        self.guest.upload(python_files(Path(load.__path__[0])), FOLDER)
        self.guest.succeed(f"python3 -m compileall -q {FOLDER}")

    def run_load(
        self,
        workload: str,
        scale: Scale,
        door: Address,
        *,
        targets: Targets | None = None,
        small_door: Address | None = None,
    ) -> Figures:
        """Run one workload in the guest, through the SOCKS5 proxy at `door` if it has targets.

        Without targets `door` is one itself, and `small_door` that for all but bulk if another is.
        """
        arguments = [workload, _text(door), "--size", str(scale.size)]
        arguments += ["--seconds", str(scale.seconds)]
        if targets is not None:
            arguments += ["--targets", _text(targets.bulk), _text(targets.small)]
        if small_door is not None:
            arguments += ["--small-door", _text(small_door)]
        command = f"cd {FOLDER} && python3 -m load {shlex.join(arguments)}"
        figures: Figures = json.loads(self.guest.succeed(command, timeout=DEADLINE))
        return figures


Measure = Callable[[str, Scale], Figures]
"""Runs one workload."""


@dataclass(frozen=True, slots=True)
class VMPeer:
    """One way through the port."""

    up: Callable[[Site], AbstractContextManager[Measure]]
    workloads: tuple[str, ...]
    """Those that it can do."""
    guest: type[DebianGuest] = DebianGuest
    """Which daemon there is in the guest, if the peer needs one."""


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
