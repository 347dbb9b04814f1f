"""What QEMU can build a machine on, as far as a virtio-serial port may notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Board:
    """A model of machine, and how its virtio devices are attached."""

    model: str = "pc"
    """For QEMU's -machine."""
    bus: str = "pci"
    """The end of the devices' names: pci, or device on a board whose virtio is MMIO."""
    screen: str = "std"
    """For QEMU's -vga."""
    ports: str = ""
    """Properties of the device that has the ports, each after a comma."""
    more: tuple[str, ...] = ()
    """Further arguments."""


SLOT = "0x8"
"""Where the ports' device is on `PC`, so that a migration finds it there after it was unplugged."""
PC = Board(ports=f",addr={SLOT}")
BOARDS = {
    "pc": PC,
    "q35": Board("q35"),
    "pc, packed queues": Board(ports=",packed=on"),
    "q35, packed queues": Board("q35", ports=",packed=on"),
    "pc, legacy virtio": Board(ports=",disable-modern=on,disable-legacy=off"),
    "pc, iothread": Board(ports=",iothread=io", more=("-object", "iothread,id=io")),
}
"""By name, those on which traffic is tried, and one that QEMU refuses."""
