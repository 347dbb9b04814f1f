"""One daemon per channel: a second one would connect, get no byte, and wait forever.

The lock is a socket name in the kernel's abstract namespace: it needs no writable folder, goes away
with its process, and works across users. Anybody can take such a name, so its holder is believed
only if it may be attached, and there are several names. It holds within a network namespace. Linux
only; elsewhere the devices themselves are exclusive.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.errors import ChannelError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vsocks.channel.spec import ChannelSpec

log = logging.getLogger(__name__)

#: A stranger who holds them all only keeps us from noticing a second daemon.
_NAMES: Final = 4


class ChannelLock:
    """Held from construction to close(); raises ChannelError if another daemon holds it."""

    def __init__(self, role: str, spec: ChannelSpec) -> None:
        self._socket = _lock(role, spec)

    def close(self) -> None:
        """Let another daemon have the channel."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def fingerprint(spec: ChannelSpec) -> str:
    """What a channel is called by those who can't use its name: 32 letters and digits."""
    is_path = spec.kind.startswith("unix") or "/" in spec.place
    place = str(Path(spec.place).resolve()) if is_path else spec.place
    return hashlib.sha256(os.fsencode(f"{place}:{spec.port}")).hexdigest()[:32]


if sys.platform == "linux":
    from vsocks.channel.peer_user import peer_user

    def _lock(role: str, spec: ChannelSpec) -> socket.socket | None:
        names = lock_names(role, spec)
        taken = _take_one(names)
        if taken is None:
            log.warning("going on without the lock of %s: all of its names are taken", spec)
        # Only now: of two that begin at once, one at least sees the other.
        for user in _holders(names, taken):
            if user not in _believed(spec):
                log.warning("user %d, who has no part in %s, holds a name of its lock", user, spec)
                continue
            if taken is not None:
                taken.close()
            raise ChannelError(
                f"another vsocks {role} daemon is already attached to {spec}; stop it first"
            )
        return taken

    def lock_names(role: str, spec: ChannelSpec) -> list[str]:
        """Where a daemon on the channel listens, at one of them."""
        return [f"\0vsocks-{role}-{fingerprint(spec)}-{number}" for number in range(_NAMES)]

    def _take_one(names: list[str]) -> socket.socket | None:
        """Listen at the first name that is free, so that others can see whose it is."""
        for name in names:
            holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                holder.bind(name)
                holder.listen()
            except OSError:
                holder.close()
            else:
                return holder
        return None

    def _holders(names: list[str], ours: socket.socket | None) -> Iterator[int]:
        """The users who listen at the other names."""
        own = None if ours is None else ours.getsockname()
        for name in names:
            if os.fsencode(name) == own:
                continue
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
                caller.setblocking(False)
                with contextlib.suppress(OSError):
                    caller.connect(name)
                    yield peer_user(caller)

    def _believed(spec: ChannelSpec) -> set[int]:
        """The users whose daemon may be attached: root, we, and the owner of the channel."""
        users = {0, os.getuid()}
        with contextlib.suppress(OSError):
            users.add(Path(spec.place).stat().st_uid)
        return users

else:

    def _lock(_role: str, _spec: ChannelSpec) -> socket.socket | None:
        return None
