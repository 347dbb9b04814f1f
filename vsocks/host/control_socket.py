"""The control socket: a unix socket for those of a group, which no guest can reach.

Each client is bounded in bytes and in time, and so is their number.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vsocks.aio.socket_path import listen_at
from vsocks.aio.tasks import Tasks
from vsocks.control.lines import LONGEST_REQUEST, Lines, answer_line, parse_request
from vsocks.control.messages import (
    AddForward,
    Close,
    Done,
    Reload,
    RemoveForward,
    failed_by,
)
from vsocks.errors import ForbiddenError, UnavailableError, VsocksError, describe, printable

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from vsocks.control.messages import Item, Request

    #: Carries out a request; raises VsocksError if it can't.
    Carry = Callable[[Request], AsyncGenerator[Item, None]]

log = logging.getLogger(__name__)

#: Clients at once; who comes when all are taken is closed.
MOST: Final = 16
#: Seconds between the requests of a client, and for an answer.
IDLE: Final = 60.0
ANSWER: Final = 60.0
_BACKLOG: Final = 16
#: Bytes of an answer that are written at once.
_PIECE: Final = 64 * 1024
#: What the log tells of, with who has asked.
_CHANGES: Final = (Close, AddForward, RemoveForward, Reload)
#: Who may use it: the owner, and the group.
_MODE: Final = 0o660
#: Seconds to wait when the system has no more descriptors to give.
_PAUSE: Final = 0.1


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """Where it is, and whose group may use it; None leaves that to the system."""

    path: Path
    group: int | None = None


class ControlSocket:
    """Serves it: start(), then run() until cancelled."""

    def __init__(self, config: ControlConfig, carry: Carry) -> None:
        self._config = config
        self._carry = carry
        self._socket: socket.socket | None = None
        #: Which file is ours.
        self._made = 0
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Listen. Raises UnavailableError or ForbiddenError if it can't be had."""
        path = self._config.path
        try:
            self._socket = listen_at(str(path), _MODE, _BACKLOG, self._config.group)
            self._made = path.stat().st_ino
        except OSError as error:
            raise _refusal(path, error) from None
        log.info("the control socket is %s", path)

    async def run(self) -> None:
        """Serve until cancelled."""
        assert self._socket is not None, "start() comes first"
        try:
            while True:
                await self._accept(self._socket)
        finally:
            await self._tasks.cancel()
            self.close()

    def close(self) -> None:
        """Listen no more."""
        listener, self._socket = self._socket, None
        if listener is not None:
            # Not when somebody else has it by now.
            with contextlib.suppress(OSError):
                if self._config.path.stat().st_ino == self._made:
                    self._config.path.unlink()
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = await self._loop.sock_accept(listener)
        except OSError as error:
            log.warning("accepting a client of the control socket failed: %s", describe(error))
            await asyncio.sleep(_PAUSE)
            return
        if len(self._tasks) >= MOST:
            log.info("the control socket has %d clients: one more was closed", MOST)
            connection.close()
            return
        task = self._tasks.start(self._serve(connection))
        # Not in the task itself, which may be cancelled before it begins.
        task.add_done_callback(lambda _: connection.close())

    async def _serve(self, connection: socket.socket) -> None:
        lines = Lines(LONGEST_REQUEST)
        # It is gone, silent for too long, or doesn't read.
        with contextlib.suppress(OSError):
            while data := await self._read(connection):
                try:
                    requests = lines.add(data)
                except VsocksError as error:
                    await self._loop.sock_sendall(connection, answer_line(failed_by(error)))
                    return
                for line in requests:
                    async with asyncio.timeout(ANSWER):
                        await self._answer(connection, line)

    async def _read(self, connection: socket.socket) -> bytes:
        async with asyncio.timeout(IDLE):
            return await self._loop.sock_recv(connection, LONGEST_REQUEST)

    async def _answer(self, connection: socket.socket, line: bytes) -> None:
        """Carry out what a line asks for; the answer is written piece by piece."""
        written = bytearray()
        try:
            request = parse_request(line)
            if isinstance(request, _CHANGES):
                log.info("%s asks: %s", _asker(connection), printable(str(request)))
            async with contextlib.aclosing(self._carry(request)) as items:
                async for item in items:
                    written += answer_line(item)
                    if len(written) >= _PIECE:
                        await self._loop.sock_sendall(connection, written)
                        written = bytearray()
            written += answer_line(Done())
        except VsocksError as error:
            written += answer_line(failed_by(error))
        await self._loop.sock_sendall(connection, written)


if sys.platform == "linux":
    from vsocks.channel.peer_user import peer_user

    def _asker(client: socket.socket) -> str:
        """Who asks, for the log."""
        try:
            return f"user {peer_user(client)}"
        except OSError:
            return "somebody who has gone"

else:

    def _asker(_client: socket.socket) -> str:
        return "somebody"


def _refusal(path: Path, error: OSError) -> VsocksError:
    """What to raise when it can't be had."""
    where = f"no control socket at {path}"
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(f"{where}: another daemon listens there; stop it, or name another")
    if error.errno == errno.ENOENT:
        return UnavailableError(f"{where}: its folder isn't there; make it, or name another path")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ForbiddenError(
            f"{where}: {describe(error)}; a daemon that isn't root's can use folders and groups "
            "of its own only"
        )
    return UnavailableError(f"{where}: {describe(error)}")
