"""The audit in systemd's journal, in the place of a file."""

from __future__ import annotations

import socket
import stat
from pathlib import Path
from typing import Final

from vsocks.aio.socket_options import AF_UNIX
from vsocks.audit.journal import entry_of

#: Where systemd-journald takes entries.
JOURNAL: Final = Path("/run/systemd/journal/socket")


def is_journal(path: Path) -> bool:
    """Whether an audit there is in a journal: the system's, or another one, by its socket."""
    try:
        return path == JOURNAL or stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


class Journal:
    """Does with a journal what AuditFile does with a file."""

    def __init__(self, path: Path) -> None:
        """Raises OSError if nobody takes entries at ``path``."""
        self._path = str(path)
        self._socket = self._connected()

    def write(self, lines: bytes) -> None:
        """Add whole lines. Raises OSError if not all could be, for lack of room for example."""
        for line in lines.splitlines():
            try:
                self._socket.send(entry_of(line))
            except ConnectionError:
                # Its socket is another one now.
                self.reopen()
                self._socket.send(entry_of(line))

    def reopen(self) -> None:
        """Look anew where the journal is. Raises OSError."""
        old, self._socket = self._socket, self._connected()
        old.close()

    def close(self) -> None:
        """To be called once."""
        self._socket.close()

    def _connected(self) -> socket.socket:
        sock = socket.socket(AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.connect(self._path)
        except OSError:
            sock.close()
            raise
        return sock
