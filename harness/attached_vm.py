"""A machine that somebody else has started, as a `VM`: what can be done with it from outside."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self

from vsocks.channel.libvirt import OURS
from vsocks.channel.spec import DEFAULT_PORT_NAME
from vsocks.errors import UnavailableError

from .agent import Agent
from .board import PC, Board
from .spec import Port, Wiring
from .vm import VM


class AttachError(UnavailableError):
    """The machine can't be had; the message says what to do."""


class NotOursError(Exception):
    """Something was asked for that only who has started the machine can do."""


@dataclass(frozen=True, slots=True)
class FoundMachine:
    """A `Machine` whose command line nobody knows."""

    ports: tuple[Port, ...]
    board: Board = PC
    """Of no meaning: it is what plugging needs, which is refused."""
    tpm: Path | None = None
    ready: str = ""
    broken: tuple[str, ...] = ()

    def argv(self, _wiring: Wiring) -> list[str]:
        """See NotOursError."""
        raise NotOursError("somebody else has started this machine: its command line isn't known")


def found(ports: Iterable[Port]) -> FoundMachine:
    """A machine with these ports, that of vsocks first."""
    return FoundMachine(tuple(sorted(ports, key=lambda port: not port.name.startswith(OURS))))


def _refused(what: str) -> Callable[..., NoReturn]:
    """A method that says why there is no such method."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotOursError(f"{what}: not with a machine that somebody else has started")

    return refuse


class AttachedVM(VM):
    """A machine from its attaching (`with`) to its detaching, after which it is as it was before.

    Whatever would change its disk, its devices or its process raises NotOursError.
    """

    borrowed = True

    def __init__(self) -> None:
        super().__init__(FoundMachine(()))
        self.console.end("whoever has started the machine has its console")
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._take(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    @abstractmethod
    def _take(self, undo: ExitStack) -> None:
        """Attach; `undo` gets what gives it back. Raises UnavailableError."""

    @abstractmethod
    def agent(self, patience: float) -> Agent:
        """A connection to its guest agent, which gets so many seconds. Raises UnavailableError."""

    @abstractmethod
    def make_run(self) -> None:
        """Let its processors go on, if they don't."""

    @property
    def first(self) -> str:
        """The name of the port for vsocks; whether it is there or not."""
        ours = (port.name for port in self.spec.ports if port.name.startswith(OURS))
        return next(ours, DEFAULT_PORT_NAME)

    @property
    def pid(self) -> int:
        """It is not for us to do anything to the process."""
        raise NotOursError("pid: the process is that of whoever has started the machine")

    def keep(self) -> None:
        """It goes on anyway, and is detached at the end."""

    cut_power = _refused("cut_power")
    freeze = _refused("freeze")
    thaw = _refused("thaw")
    squeezed = _refused("squeezed")
    boot_again = _refused("boot_again")
    migrate = _refused("migrate")
    wait_until_off = _refused("wait_until_off")
    save_snapshot = _refused("save_snapshot")
    load_snapshot = _refused("load_snapshot")
    delete_snapshot = _refused("delete_snapshot")
    insert_disc = _refused("insert_disc")
    ssh_port = _refused("ssh_port")
    unplug = _refused("unplug")
    unplug_network = _refused("unplug_network")
    unplug_port = _refused("unplug_port")
    plug_port = _refused("plug_port")
    unplug_controller = _refused("unplug_controller")
    plug_controller = _refused("plug_controller")
    take_chardev = _refused("take_chardev")
    give_chardev = _refused("give_chardev")
