"""Listening on a unix socket at a path."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path

from vsocks.aio.socket_options import AF_UNIX, new_stream


def listen_at(path: str, mode: int, backlog: int, group: int | None = None) -> socket.socket:
    """A listening socket that doesn't block; nobody but by ``mode`` can ever have connected.

    A socket that is left there, on which nobody listens, is replaced. Raises OSError: EADDRINUSE
    if somebody listens.
    """
    _remove_stale(path)
    if Path(path).exists() and not Path(path).is_socket():
        raise FileExistsError(errno.EEXIST, "what is there is no socket; name another path")
    listener = new_stream(AF_UNIX)
    try:
        listener.bind(path)
        if group is not None and sys.platform != "win32":
            os.chown(path, -1, group)
        Path(path).chmod(mode)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove a socket on which nobody listens; one in use stays, and fails the bind."""
    if not Path(path).is_socket():
        return
    with socket.socket(AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            Path(path).unlink(missing_ok=True)
        except TimeoutError:
            pass
