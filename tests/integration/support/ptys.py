"""Two serial devices joined by a cable: a pair of ptys, and a thread that carries the bytes."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import tty
from types import TracebackType
from typing import Self

from tests.integration.support.waiting import DEADLINE

CHUNK = 4096
"""What the cable holds in each direction at most."""


class _Wire:
    """One direction: takes a chunk from one master, and no more before the other has it all."""

    def __init__(self, source: int, sink: int) -> None:
        self.source = source
        self.sink = sink
        self.held = b""

    def turn(self, readable: set[int], writable: set[int]) -> None:
        try:
            if not self.held and self.source in readable:
                self.held = os.read(self.source, CHUNK)
            if self.held and self.sink in writable:
                self.held = self.held[os.write(self.sink, self.held) :]
        except BlockingIOError:
            pass


class PtyCable:
    """`devices` are the two paths to open; like a real cable it stays when a program dies.

    What the programs have written and nobody has read yet stays in it too.
    """

    def __init__(self) -> None:
        (self._left, left_slave), (self._right, right_slave) = os.openpty(), os.openpty()
        # The slaves stay open here: a pty master fails while nobody has its slave open.
        self._slaves = (left_slave, right_slave)
        for slave in self._slaves:
            tty.setraw(slave)
        for master in (self._left, self._right):
            os.set_blocking(master, False)
        self.devices = (os.ttyname(left_slave), os.ttyname(right_slave))
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        wires = (_Wire(self._left, self._right), _Wire(self._right, self._left))
        with selectors.DefaultSelector() as selector:
            selector.register(self._stopped, selectors.EVENT_READ)
            for wire in wires:
                selector.register(wire.source, selectors.EVENT_READ)
            while True:
                ready = {key.fd: events for key, events in selector.select()}
                if self._stopped.fileno() in ready:
                    return
                readable = {fd for fd, events in ready.items() if events & selectors.EVENT_READ}
                writable = {fd for fd, events in ready.items() if events & selectors.EVENT_WRITE}
                for wire in wires:
                    wire.turn(readable, writable)
                for wire, back in (wires, wires[::-1]):
                    wanted = (0 if wire.held else selectors.EVENT_READ) | (
                        selectors.EVENT_WRITE if back.held else 0
                    )
                    _watch(selector, wire.source, wanted)

    def close(self) -> None:
        """Pull the cable: the thread ends and the devices are gone."""
        self._stop.close()
        self._thread.join(DEADLINE)
        self._stopped.close()
        for fd in (*self._slaves, self._left, self._right):
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _watch(selector: selectors.BaseSelector, fd: int, events: int) -> None:
    """Watch `fd` for `events`, or not at all; selectors have no word for "nothing"."""
    watched = fd in selector.get_map()
    if events and watched:
        selector.modify(fd, events)
    elif events:
        selector.register(fd, events)
    elif watched:
        selector.unregister(fd)
