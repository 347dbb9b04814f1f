"""What a virtual machine is made of, and the pieces of QEMU's command line that say so.

`debian_machine`, `windows.machine` and `cloud.machine` describe machines by them. Each is a
`Machine`, which is all that `VM` knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from .board import Board, told

QEMU = "qemu-system-x86_64"
DISK = "disk"
"""Node name of the disk, for the QMP commands about snapshots."""


class Accel(Enum):
    """How QEMU runs the guest's code."""

    KVM = "kvm"
    TCG = "tcg"

    @property
    def cpu(self) -> str:
        """The processor the guest sees.

        With SMAP, which QEMU 7.2's TCG gets wrong, every Wine process dies in the kernel.
        """
        return "host" if self is Accel.KVM else "max,smap=off"


@dataclass(frozen=True, slots=True)
class Port:
    """A virtio-serial port: `name` for the guest, `id` for QMP and for the socket's file name."""

    name: str = "org.vsocks.0"
    id: str = "vsocks0"


AGENT = Port("org.qemu.guest_agent.0", "agent")
"""Where qemu-guest-agent expects its host. It has a device of its own: it survives what is done to
the other ports."""


class Machine(Protocol):
    """A virtual machine, described."""

    @property
    def ports(self) -> tuple[Port, ...]:
        """Its virtio-serial ports."""

    @property
    def board(self) -> Board:
        """What it is built on."""

    @property
    def tpm(self) -> Path | None:
        """The folder in which its TPM keeps its state; None if it has no TPM."""

    @property
    def ready(self) -> str:
        """The line of its console that says that SSH will be answered."""

    @property
    def broken(self) -> tuple[str, ...]:
        """Lines of its console after which that line will not come."""

    def argv(self, wiring: Wiring) -> list[str]:
        """QEMU's command line; calls nothing and looks at nothing but its arguments."""


class Start(Enum):
    """From which state a machine goes on."""

    DESCRIBED = "as its description says"
    COLD = "a boot, whatever its description says"
    INCOMING = "what another QEMU sends it"


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where a machine meets the process that starts it."""

    folder: Path
    qmp_fd: int
    console_fd: int
    start: Start = Start.DESCRIBED
    qemu: str = QEMU
    """The program, by name or path."""
    tpm_fd: int = -1
    """A connection to the machine's TPM, if it has one."""

    @property
    def monitor(self) -> Path:
        """The socket of QEMU's second monitor, for other processes."""
        return self.folder / "monitor.sock"

    def socket(self, port: Port) -> Path:
        """The host's end of a virtio-serial port."""
        return socket_in(self.folder, port)


def socket_in(folder: Path, port: Port) -> Path:
    """The host's end of a port of a machine whose folder it is."""
    return folder / f"{port.id}.sock"


def bare(wiring: Wiring, board: Board) -> list[str]:
    """QEMU, with nothing but what a board always has; what follows may be about the board."""
    return [
        wiring.qemu,
        *("-nodefaults", "-no-user-config", "-display", "none", "-vga", board.screen),
        *("-machine", board.model),
    ]


def control(wiring: Wiring) -> list[str]:
    """QMP and the console, over inherited sockets; and a monitor for whoever else comes."""
    return [
        *("-chardev", f"socket,id=qmp,fd={wiring.qmp_fd}"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=monitor,path={wiring.monitor},server=on,wait=off"),
        *("-mon", "chardev=monitor,mode=control"),
        *("-chardev", f"socket,id=console,fd={wiring.console_fd}"),
        *("-serial", "chardev:console"),
        *(("-incoming", "defer") if wiring.start is Start.INCOMING else ()),
    ]


def qcow2(disk: Path, *more: str) -> list[str]:
    """The disk that is called DISK, without the device that it is in; ``more`` properties."""
    # It is thrown away after the test: flushing it to the host's platter is for nothing.
    file = (f"file.driver=file,file.filename={disk}", "cache.no-flush=on")
    return ["-blockdev", ",".join([f"driver=qcow2,node-name={DISK}", *more, *file])]


def pflash(code: Path, variables: Path) -> list[str]:
    """UEFI's firmware, and its variables, which it writes to."""
    return [
        *("-blockdev", f"driver=file,node-name=code,filename={code},read-only=on"),
        *("-blockdev", f"driver=file,node-name=variables,filename={variables}"),
        *("-machine", "pflash0=code,pflash1=variables"),
    ]


NO_NETWORK = ("-nic", "none")
NIC = "management-nic"
"""Id of the network card of `management_network`, for QMP."""


def management_network(device: str) -> list[str]:
    """A network card by which SSH gets in and nothing gets out."""
    # restrict=on: the guest reaches nothing through it; only our SSH comes in, at a port that
    # QEMU picks (0) and tells by `info usernet`.
    return [
        *("-netdev", "user,id=management,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"),
        *("-device", f"{device},netdev=management,id={NIC},romfile="),
    ]


CONTROLLER = "ports"
"""Id of the device that has the ports, for QMP."""


def ports_on(board: Board, ports: tuple[Port, ...], wiring: Wiring) -> list[str]:
    """The device with the ports that may be taken out, as the board has it."""
    return serial_ports(ports, wiring, f"{board.controller},id={CONTROLLER}{told(board.ports)}")


def agent_port(wiring: Wiring, controller: str) -> list[str]:
    """A device of its own with the guest agent's port."""
    return serial_ports((AGENT,), wiring, f"{controller},id=agent-ports")


def serial_ports(
    ports: tuple[Port, ...],
    wiring: Wiring,
    device: str = f"virtio-serial-pci,id={CONTROLLER}",
) -> list[str]:
    """A device with virtio-serial ports, each a unix socket on the host."""
    arguments = ["-device", device]
    bus = device.partition("id=")[2].partition(",")[0]
    for port in ports:
        # wait=off: QEMU's default on the command line is to hold the boot until somebody connects.
        properties = f"bus={bus}.0,chardev={port.id}c,name={port.name},id={port.id}"
        arguments += [
            *("-chardev", f"socket,id={port.id}c,path={wiring.socket(port)},server=on,wait=off"),
            *("-device", f"virtserialport,{properties}"),
        ]
    return arguments
