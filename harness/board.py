"""What QEMU can build a machine on, as far as a virtio-serial port may notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Properties = Mapping[str, str | bool]
"""Of a device, by their names for QEMU."""


@dataclass(frozen=True, slots=True)
class Board:
    """A model of machine, and how its virtio devices are attached."""

    model: str = "pc"
    """For QEMU's -machine."""
    bus: str = "pci"
    """The end of the devices' names: pci, or device on a board whose virtio is MMIO."""
    screen: str = "std"
    """For QEMU's -vga."""
    ports: Properties = field(default_factory=dict)
    """Of the device that has the ports, when the machine starts and when it is plugged again.

    A place (addr, or a bus of its own) among them is where a migration finds it after that.
    """
    more: tuple[str, ...] = ()
    """Further arguments."""
    emulated: tuple[str, ...] = ()
    """Further arguments where there is no KVM."""

    @property
    def controller(self) -> str:
        """QEMU's name of the device that has the ports."""
        return f"virtio-serial-{self.bus}"


def told(properties: Properties) -> str:
    """Properties as QEMU's command line has them, each after a comma."""
    words = {True: "on", False: "off"}
    return "".join(
        f",{name}={words[value] if isinstance(value, bool) else value}"
        for name, value in properties.items()
    )


PLACE = {"addr": "0x8"}
PC = Board(ports=PLACE)
SLOT = ("-device", "pcie-root-port,id=root-port,chassis=1")
"""The only kind of place on q35 where a device can be plugged in."""
COUNTED = ("-icount", "shift=auto")
"""The guest's clocks follow its instructions.

A microvm has no timer but the PIT, by which a kernel finds out, in 214 us at a time, how quick the
processor's clock is. If emulation takes longer, as it does at random, the kernel waits for ever.
"""
MODERN = ("-global", "virtio-mmio.force-legacy=off")
MMIO = Board("microvm", "device", "none", emulated=COUNTED)
BOARDS = {
    "pc": PC,
    "q35": Board("q35", ports={"bus": "root-port"}, more=SLOT),
    "pc, packed queues": Board(ports={**PLACE, "packed": True}),
    "q35, packed queues": Board("q35", ports={"bus": "root-port", "packed": True}, more=SLOT),
    "pc, legacy virtio": Board(ports={"disable-modern": True, "disable-legacy": "off"}),
    "pc, iothread": Board(ports={"iothread": "io"}, more=("-object", "iothread,id=io")),
    "microvm, PCI": Board("microvm,pcie=on", screen="none", emulated=COUNTED),
    "microvm, legacy MMIO": MMIO,
    "microvm, MMIO": replace(MMIO, more=MODERN),
    "microvm, MMIO, packed queues": replace(MMIO, ports={"packed": True}, more=MODERN),
}
"""By name, those on which traffic is tried, and one that QEMU refuses."""
