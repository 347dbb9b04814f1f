"""A daemon's side of the holder: it finds the user's own, or starts it."""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import vsocks
from vsocks.channel.holder import GIVEN, KEEP, PATIENCE, TAKE
from vsocks.channel.keeper import Keeper
from vsocks.channel.peer_user import peer_user
from vsocks.errors import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

#: The environment's word for the seconds that the next daemon has.
VARIABLE: Final = "VSOCKS_HOLD_SECONDS"
#: Seconds that a holder may take to answer.
_ANSWER: Final = 5.0
_BACKLOG: Final = 1024
#: As many names as a stranger must hold to keep us from having a holder.
_NAMES: Final = 4
#: What the process is started with: where vsocks is, a descriptor, seconds.
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from vsocks.channel.holder import main; "
    "main(int(sys.argv[2]), float(sys.argv[3]))"
)


class HolderKeeper(Keeper):
    """Has the holder keep the connection of one channel, which goes by ``key``."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        #: While it is open the holder takes us to be there.
        self._holder: socket.socket | None = None

    async def take(self) -> socket.socket | None:
        for holder in _running():
            connection = None
            try:
                connection = await self._ask(holder)
            finally:
                if connection is None:
                    holder.close()
            if connection is not None:
                self._holder = holder
                return connection
        return None

    async def _ask(self, holder: socket.socket) -> socket.socket | None:
        try:
            holder.send(TAKE + self._key)
            async with asyncio.timeout(_ANSWER):
                await _readable(holder)
            answer, descriptors, _, _ = socket.recv_fds(holder, len(GIVEN), 1)
        except TimeoutError:
            log.warning("the process that holds the channels doesn't answer")
        except OSError as error:
            log.debug("the process that holds the channels has gone: %s", describe(error))
        else:
            if answer == GIVEN and descriptors:
                return socket.socket(fileno=descriptors[0])
        return None

    async def keep(self, connection: socket.socket) -> None:
        for attempt in _ATTEMPTS:
            try:
                if self._holder is None:
                    self._holder = next(_running(), None) or _started()
                socket.send_fds(self._holder, [KEEP + self._key], [connection.fileno()])
            except OSError as error:
                self.close()
                if attempt == _ATTEMPTS[-1]:
                    log.warning("nobody holds the channel when we are killed: %s", describe(error))
            else:
                return

    def stays(self) -> bool:
        return False

    def close(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None


#: The holder may have been about to end.
_ATTEMPTS: Final = (1, 2)


def holder_names(user: int, seconds: str) -> list[str]:
    """Where a user's holder listens that gives the next daemon so long: at one of them."""
    return [f"\0vsocks-holder-{user}-{seconds}-{number}" for number in range(_NAMES)]


def _ours() -> list[str]:
    return holder_names(os.geteuid(), _seconds())


def _seconds() -> str:
    return os.environ.get(VARIABLE, f"{PATIENCE:g}")


def _running() -> Iterator[socket.socket]:
    """Connections to the holders that run: one, or two if two daemons began at once."""
    for name in _ours():
        caller = _packets()
        try:
            caller.connect(name)
            is_ours = peer_user(caller) == os.geteuid()
        except OSError:
            is_ours = False
        if is_ours:
            yield caller
        else:
            caller.close()


def _started() -> socket.socket:
    """A connection to a holder that begins to run; raises OSError."""
    with _packets() as listener:
        for name in _ours():
            with contextlib.suppress(OSError):
                listener.bind(name)
                break
        listener.listen(_BACKLOG)
        caller = _packets()
        try:
            caller.connect(listener.getsockname())
            _start(listener)
        except OSError:
            caller.close()
            raise
        return caller


def _start(listener: socket.socket) -> None:
    where = str(Path(vsocks.__file__).parents[1])
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _CODE, where, str(listener.fileno()), _seconds()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(listener.fileno(),),
        cwd="/",
        env={},
        start_new_session=True,
    )
    # It may outlive us, which is its purpose; if it doesn't, its end is noted when we end.
    started.returncode = 0
    log.debug("process %d holds the channels", started.pid)


def _packets() -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.setblocking(False)
    return sock


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(sock.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock.fileno())
