"""libvirt's own word that a machine has been started, stopped, defined or has come from elsewhere.

libvirt has one event loop a process, so one thread runs it, for all that listen. The thread begins
with the first of them and ends with the last.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from vsocks.errors import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Called in the thread with a machine's name, or with "" if it may be any.
    Changed = Callable[[str], None]

log = logging.getLogger(__name__)

#: Seconds between attempts to reach libvirt's daemon.
_PAUSE: Final = 5.0
#: Seconds between signs of life, and how many may lack until its daemon is taken to be gone.
_KEEPALIVE: Final = (5, 3)
_FOREVER: Final = -1


class LibvirtEvents:
    """Tells what changes; add() and remove() may block, and are for any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._listeners: set[Changed] = set()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        #: Wakes libvirt's loop.
        self._timer = _FOREVER
        #: Whether changes are told now, as far as known.
        self.are_told = False

    def add(self, listener: Changed) -> None:
        """Tell ``listener`` from now on."""
        with self._guard:
            self._listeners.add(listener)
            if self._thread is None:
                self._start()

    def remove(self, listener: Changed) -> None:
        """Tell it no more."""
        import libvirt

        with self._guard:
            self._listeners.discard(listener)
            thread = self._thread
            if self._listeners or thread is None:
                return
            self._stop.set()
            libvirt.virEventUpdateTimeout(self._timer, 0)
            thread.join()
            libvirt.virEventRemoveTimeout(self._timer)
            self._thread = None

    def _start(self) -> None:
        import libvirt

        # Else libvirt writes each error to stderr.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        self._timer = libvirt.virEventAddTimeout(_FOREVER, lambda *_: None, None)
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="libvirt", daemon=True)
        self._thread.start()

    def _tell(self, machine: str) -> None:
        for listener in list(self._listeners):
            listener(machine)

    # -- in the thread ---------------------------------------------------------------------

    def _run(self) -> None:
        import libvirt

        while not self._stop.is_set():
            try:
                self._listen(libvirt)
            except libvirt.libvirtError as error:
                log.debug("libvirt's events can't be had: %s", describe(error))
            finally:
                self.are_told = False
            self._stop.wait(_PAUSE)

    def _listen(self, libvirt: Any) -> None:
        """Tell of changes until the connection ends. Raises libvirtError if there is none."""
        ended = threading.Event()
        connection = libvirt.openReadOnly(None)
        try:
            connection.registerCloseCallback(lambda *_: ended.set(), None)
            connection.setKeepAlive(*_KEEPALIVE)
            kind = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
            connection.domainEventRegisterAny(
                None, kind, lambda _connection, domain, *_: self._tell(domain.name()), None
            )
            self.are_told = True
            # Who has looked before this may have missed something.
            self._tell("")
            while not (self._stop.is_set() or ended.is_set()):
                libvirt.virEventRunDefaultImpl()
        finally:
            self.are_told = False
            self._tell("")
            connection.close()


#: Of this process.
EVENTS: Final = LibvirtEvents()
