"""Questions to the host, each answered by one message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from vsocks.errors import BusyError
from vsocks.protocol.handshake import Feature
from vsocks.protocol.parcels import Ask, Tell, Topic

if TYPE_CHECKING:
    from vsocks.mux.link import Link
    from vsocks.protocol.parcels import Parcel

#: Questions that may be open at once.
_LIMIT: Final = 64


class QuestionClient:
    """Asks questions, and hands out the answers."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._last_number = 0
        self._open: dict[int, asyncio.Future[tuple[int, bytes]]] = {}

    async def ask(self, topic: Topic, data: bytes, seconds: float) -> tuple[int, bytes]:
        """The host's reply (0 if it knows), and what it told.

        Raises BusyError if too many questions are open, or no session stands or it is lost;
        NotSupportedError if the host can't be asked; TimeoutError after ``seconds``.
        """
        if len(self._open) >= _LIMIT:
            raise BusyError(f"{_LIMIT} questions are open")
        self._link.require(Feature.QUESTIONS)
        self._last_number += 1
        number = self._last_number
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            if not self._link.post(Ask(number, topic, data)):
                raise BusyError("the channel is too slow for one more question")
            async with asyncio.timeout(seconds):
                return await answer
        finally:
            self._open.pop(number, None)

    async def ask_dns(self, query: bytes, seconds: float) -> bytes:
        """The answer to a DNS query; raises as ask() does, and BusyError if the host can't tell."""
        reply, answer = await self.ask(Topic.DNS, query, seconds)
        if reply:
            raise BusyError("the host could not ask its nameserver")
        return answer

    def on_parcel(self, parcel: Parcel) -> None:
        """Something came from the host."""
        if isinstance(parcel, Tell):
            answer = self._open.get(parcel.question)
            if answer is not None and not answer.done():
                answer.set_result((parcel.reply, bytes(parcel.data)))

    def on_lost(self) -> None:
        """The session is over: nobody will answer."""
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(BusyError("the session was lost"))
