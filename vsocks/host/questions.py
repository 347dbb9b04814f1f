"""The guest's questions, each answered by one message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from vsocks.address import Target, encode_address, parse_address
from vsocks.aio.tasks import Tasks
from vsocks.host.lookup import LookUpError
from vsocks.protocol.parcels import Ask, Tell, Topic
from vsocks.reply import Reply
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.host.lookup import LookUp
    from vsocks.host.nameserver import Nameserver
    from vsocks.mux.link import Link

#: Questions that are answered at once.
_LIMIT: Final = 64


class QuestionServer:
    """Answers by look-ups and by the host's nameserver."""

    def __init__(
        self,
        link: Link,
        look_up: LookUp,
        nameserver: Nameserver,
        refused: Callable[[str], None],
        rate: float,
    ) -> None:
        """``rate`` is how many questions a second are answered in the long run."""
        self._link = link
        self._look_up = look_up
        self._nameserver = nameserver
        self._refused = refused
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()
        self._per_second = rate
        self._rate = TokenBucket(rate)

    def on_ask(self, ask: Ask) -> None:
        """The guest has a question."""
        if (refusal := self._refusal()) is not None:
            self._refused(refusal)
            self._tell(ask.question, Reply.GENERAL_FAILURE)
            return
        self._tasks.start(self._answer(ask.question, ask.topic, bytes(ask.data)))

    def _refusal(self) -> str | None:
        """Why no question is taken now, if none is."""
        if len(self._tasks) >= _LIMIT:
            return f"question: {_LIMIT} are open"
        if not self._rate.take(now=self._loop.time()):
            return f"question: more than {self._per_second:g} a second"
        return None

    def on_lost(self) -> None:
        """The session is over: nobody waits for answers."""
        self._tasks.give_up()

    async def close(self) -> None:
        """Stop answering."""
        await self._tasks.cancel()

    async def _answer(self, question: int, topic: int, data: bytes) -> None:
        try:
            told = await self._find_out(topic, data)
        except LookUpError as error:
            self._refused(f"({error.reply:d}) {error.reason}")
            self._tell(question, error.reply)
        except ValueError:
            self._tell(question, Reply.ADDRESS_TYPE_NOT_SUPPORTED)
        else:
            reply = Reply.SUCCEEDED if told else Reply.GENERAL_FAILURE
            self._tell(question, reply, told)

    async def _find_out(self, topic: int, data: bytes) -> bytes:
        """The answer, empty if there is none. Raises LookUpError and ValueError."""
        match topic:
            case Topic.ADDRESS_OF:
                [best, *_] = await self._look_up.addresses(data.decode("ascii"))
                return encode_address(Target(str(best), 0))
            case Topic.NAME_OF:
                parsed = parse_address(data)
                if parsed is None or (ip := parsed[0].ip) is None:
                    raise ValueError("no address")
                return (await self._look_up.name_of(ip)).encode("ascii")
            case Topic.DNS:
                return await self._nameserver.answer(data)
            case _:
                raise ValueError("an unknown topic")

    def _tell(self, question: int, reply: int, data: bytes = b"") -> None:
        if not self._link.post(Tell(question, reply, data)) and data:
            # Too long for this channel, or it is full: the guest need not wait in vain.
            self._link.post(Tell(question, Reply.GENERAL_FAILURE, b""))
