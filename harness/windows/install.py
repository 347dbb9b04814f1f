"""One unattended installation: from an empty disk and three discs to a machine that is off."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..progress import step
from ..qmp import QMPError
from ..spec import Accel
from ..transcript import Line
from ..vm import VM
from .evidence import Evidence
from .machine import WindowsSpec
from .milestones import (
    BOOT,
    FIRMWARE_TRIES_DISC,
    INSTALLATION,
    Milestone,
    watch,
)

PATIENCE = {Accel.KVM: 1.0, Accel.TCG: 12.0}
"""By how much the deadlines are longer; under emulation Windows takes hours to install."""
SHUTDOWN_SECONDS = 300
KEY_SECONDS = 1.0
KEY_TRIES = 15


def install(
    spec: WindowsSpec,
    evidence: Evidence,
    milestones: Sequence[Milestone] = INSTALLATION,
) -> dict[str, Line]:
    """Boot the first disc, follow the installation to its end, and wait until it is switched off.

    The console's lines by the milestones' names.
    """
    with machine(spec, evidence, "install") as vm, KeyPresser(vm) as presser:

        def on_reached(number: int, milestone: Milestone, line: Line) -> None:
            evidence.milestone(vm, number, milestone, line)
            if milestone is FIRMWARE_TRIES_DISC:
                presser.start()

        lines = watch(vm.console, milestones, on_reached, patience=PATIENCE[spec.accel])
        with step("waiting until it has switched itself off"):
            vm.wait_until_off(SHUTDOWN_SECONDS * PATIENCE[spec.accel])
    return lines


def boot(spec: WindowsSpec, evidence: Evidence) -> dict[str, Line]:
    """Boot what was installed, to see that it does, and end it; the lines of its milestones."""
    with machine(spec, evidence, "boot") as vm:

        def on_reached(number: int, milestone: Milestone, line: Line) -> None:
            evidence.milestone(vm, number, milestone, line)

        return watch(vm.console, BOOT, on_reached, failing=(), patience=PATIENCE[spec.accel])


@contextmanager
def machine(spec: WindowsSpec, evidence: Evidence, phase: str) -> Iterator[VM]:
    """A running machine whose logs are kept, whatever happens."""
    with VM(spec) as vm:
        try:
            yield vm
        except BaseException as error:
            evidence.failure(vm, error)
            raise
        finally:
            evidence.logs(vm, phase)


class KeyPresser:
    """Answers "Press any key to boot from CD or DVD", which nothing announces on the console.

    The disc's loader waits some five seconds for a key, from a moment that depends on the machine's
    speed. So Enter is pressed each second for a while. Setup comes later than that.
    """

    def __init__(self, vm: VM) -> None:
        self._vm = vm
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key presser", daemon=True)

    def __enter__(self) -> KeyPresser:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def start(self) -> None:
        """The firmware has started the disc's loader."""
        self._thread.start()

    def _run(self) -> None:
        for _ in range(KEY_TRIES):
            if self._over.wait(KEY_SECONDS):
                return
            try:
                press(self._vm, "ret")
            except QMPError:
                return  # the machine is gone, which is noticed elsewhere


def press(vm: VM, *keys: str) -> None:
    """Press keys at once on the machine's keyboard, by QEMU's names for them."""
    pressed = [{"type": "qcode", "data": key} for key in keys]
    vm.qmp.execute("send-key", {"keys": pressed})
