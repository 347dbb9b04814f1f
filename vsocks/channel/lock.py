"""One daemon per channel: a second one would connect, get no byte, and wait forever.

The lock is a socket name in the kernel's abstract namespace: it needs no writable folder, goes
away with its process, and works across users. Linux only; elsewhere the devices themselves are
exclusive.
"""

from __future__ import annotations

import hashlib
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vsocks.errors import ChannelError

if TYPE_CHECKING:
    from vsocks.channel.spec import ChannelSpec


class ChannelLock:
    """Held from construction to close(); raises ChannelError if another daemon holds it."""

    def __init__(self, role: str, spec: ChannelSpec) -> None:
        self._socket: socket.socket | None = None
        if sys.platform != "linux":
            return
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            holder.bind(f"\0vsocks-{role}-{_fingerprint(spec)}")
        except OSError:
            holder.close()
            raise ChannelError(
                f"another vsocks {role} daemon is already attached to {spec}; stop it first"
            ) from None
        self._socket = holder

    def close(self) -> None:
        """Let another daemon have the channel."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _fingerprint(spec: ChannelSpec) -> str:
    is_path = spec.kind.startswith("unix") or "/" in spec.place
    place = str(Path(spec.place).resolve()) if is_path else spec.place
    return hashlib.sha256(f"{place}:{spec.port}".encode()).hexdigest()[:32]
