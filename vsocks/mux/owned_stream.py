"""A stream and its buffers, held by one task from its beginning to its end."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Self

from vsocks.aio import pending_io
from vsocks.protocol.messages import CloseCode
from vsocks.reply import Reply

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from vsocks.address import Target
    from vsocks.mux.pool import Pool, Slot
    from vsocks.mux.switchboard import Switchboard
    from vsocks.protocol.streams import Stream

    #: The peer's reply to an open, and its own address on the connection.
    Answer = tuple[int, Target | None]

log = logging.getLogger(__name__)

#: Seconds that the system may take to end what was cancelled.
_LAST_OPERATIONS: Final = 5.0


class Lease(ABC):
    """The life of one stream in a daemon; use it as a context in the task that runs it.

    Leaving the context closes the stream, by a reset if that hasn't been done. If the peer
    resets the stream or the session is lost, the task's wait is cancelled, and the context
    swallows that cancellation (``aborted`` says why it ended). Raises BusyError if the pool has
    no slot.
    """

    def __init__(self, switchboard: Switchboard, pool: Pool) -> None:
        self._switchboard = switchboard
        self._pool = pool
        self._slot = pool.take()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._stream: Stream | None = None
        self._answer: asyncio.Future[Answer] = self._loop.create_future()
        #: Where the peer waits for whom it was asked to listen for.
        self.listening: asyncio.Future[Target] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self.aborted = ""

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        if self.aborted and self._task is not None:
            self._task.cancel()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        task, self._task = self._task, None
        self._stop_timer()
        self._close_stream(CloseCode.RESET)
        user = self._buffer_user
        try:
            await self._let_go(failed=kind is not None or bool(self.aborted))
        finally:
            await give_back(self._pool, self._slot, user)
        if kind is asyncio.CancelledError and self.aborted and task is not None:
            return task.uncancel() == 0
        return False

    # -- before there is a connection ------------------------------------------------------

    def open(
        self, target: Target, timeout: float, *, listen: bool = False
    ) -> asyncio.Future[Answer]:
        """Open a stream to ``target``; what is returned will hold the peer's answer.

        With ``listen`` it is the target that is to connect, and before the answer ``listening``
        says where to. After ``timeout`` seconds the answer is a general failure. Raises
        BusyError if there is no session or no free stream, NotSupportedError if the peer is
        too old.
        """
        self._stream = self._switchboard.open(target, self, listen=listen)
        self.answer_within(timeout)
        if not self._switchboard.confirms_open:
            self.on_answer(Reply.SUCCEEDED, None)
        return self._answer

    def answer_within(self, timeout: float) -> None:
        """From now on wait so many seconds for the answer."""
        self._stop_timer()
        self._timer = self._loop.call_later(timeout, self.on_answer, Reply.GENERAL_FAILURE, None)

    def adopt(self, stream: Stream) -> None:
        """Take a stream that the peer has opened."""
        self._stream = stream

    def announce(self, bound: Target) -> None:
        """Tell the peer where its target can connect to."""
        if self._stream is not None:
            self._switchboard.listening(self._stream, bound)

    def accept(self, bound: Target | None) -> None:
        """Tell the peer that its target is connected."""
        if self._stream is not None:
            self._switchboard.accept(self._stream, bound)

    def refuse(self, reply: Reply) -> None:
        """Tell the peer why its target isn't connected."""
        if self._stream is not None:
            self._switchboard.refuse(self._stream, reply)
            self._stream = None

    # -- what is told ----------------------------------------------------------------------

    def on_answer(self, reply: int, bound: Target | None) -> None:
        """The peer has answered."""
        if reply:
            self._close_stream(CloseCode.RESET)
        self._stop_timer()
        if not self._answer.done():
            self._answer.set_result((reply, bound))

    def on_listening(self, bound: Target) -> None:
        """The peer listens."""
        if not self.listening.done():
            self.listening.set_result(bound)

    @abstractmethod
    def on_data(self, data: memoryview) -> None:
        """Data has come."""

    @abstractmethod
    def on_end(self) -> None:
        """The peer sends no more."""

    def on_close(self, code: int) -> None:
        """The peer is done with the stream."""
        if code == CloseCode.DONE:
            self.on_end()
        else:
            self._abort("the peer reset the stream", CloseCode.RESET)

    def on_lost(self, reason: str) -> None:
        """The session is over."""
        self._stream = None
        self._abort(f"session lost: {reason}", CloseCode.RESET)

    # -- endings ---------------------------------------------------------------------------

    @property
    def _buffer_user(self) -> socket.socket | None:
        """Whose operations work in the slot's buffers, if anybody's do."""
        return None

    @abstractmethod
    async def _let_go(self, *, failed: bool) -> None:
        """Give up what else is held."""

    def _abort(self, reason: str, code: CloseCode) -> None:
        """End the lease from outside of its task."""
        if self.aborted:
            return
        self.aborted = reason
        self._close_stream(code)
        if self._task is not None:
            self._task.cancel()

    def _close_stream(self, code: CloseCode) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._switchboard.close(stream, code)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


async def give_back(pool: Pool, slot: Slot, *users: socket.socket | None) -> None:
    """Let others have the buffers, once the system is through with them, too.

    ``users`` are the closed sockets whose operations worked in them.
    """
    for user in users:
        if user is not None and not await pending_io.have_ended(user, within=_LAST_OPERATIONS):
            log.error("an operation on a closed socket doesn't end; its buffers stay out of use")
            return
    pool.give_back(slot)
