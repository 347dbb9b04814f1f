"""The guest's questions, each answered by one message."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from vsocks.address import Target, encode_address, parse_address
from vsocks.aio.tasks import Tasks
from vsocks.audit.record import Event, Kind
from vsocks.dns_message import Query, read_query
from vsocks.host.lookup import LookUpError
from vsocks.protocol.parcels import Ask, Tell, Topic
from vsocks.reply import Reply
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.host.audit import Audit
    from vsocks.host.lookup import LookUp
    from vsocks.host.nameserver import Nameserver
    from vsocks.mux.link import Link

#: Questions that are answered at once.
_LIMIT: Final = 64


_KINDS: Final[dict[int, Kind]] = {
    Topic.ADDRESS_OF: Kind.LOOK_UP,
    Topic.NAME_OF: Kind.REVERSE_LOOK_UP,
    Topic.DNS: Kind.DNS,
}


class QuestionServer:
    """Answers by look-ups and by the host's nameserver."""

    def __init__(
        self,
        link: Link,
        look_up: LookUp,
        nameserver: Nameserver,
        refused: Callable[[str], None],
        rate: float,
        *,
        audit: Audit | None = None,
    ) -> None:
        """``rate`` is how many questions a second are answered in the long run."""
        self._audit = audit
        #: How questions ended, by kind and one of "answered", "failed", "refused", "abandoned".
        self.results: Counter[tuple[Kind, str]] = Counter()
        self._link = link
        self._look_up = look_up
        self._nameserver = nameserver
        self._refused = refused
        self._tasks = Tasks()
        self._loop = asyncio.get_running_loop()
        self._per_second = rate
        self._rate = TokenBucket(rate)

    def reconfigure(
        self, look_up: LookUp, nameserver: Nameserver, rate: float, audit: Audit | None
    ) -> None:
        """Answer by these from now on."""
        self._look_up = look_up
        self._nameserver = nameserver
        self._audit = audit
        if rate != self._per_second:
            self._per_second = rate
            self._rate = TokenBucket(rate)

    def on_ask(self, ask: Ask) -> None:
        """The guest has a question."""
        if (refusal := self._refusal()) is not None:
            self._refused(f"question: {refusal}")
            kind = _KINDS.get(ask.topic, Kind.LOOK_UP)
            self.results[kind, "refused"] += 1
            if self._audit is not None:
                self._audit.tell_too_much(kind, refusal, name=_asked(ask.topic, bytes(ask.data)))
            self._tell(ask.question, Reply.GENERAL_FAILURE)
            return
        self._tasks.start(self._answer(ask.question, ask.topic, bytes(ask.data)))

    def _refusal(self) -> str | None:
        """Why no question is taken now, if none is."""
        if len(self._tasks) >= _LIMIT:
            return f"{_LIMIT} questions are open"
        if not self._rate.take(now=self._loop.time()):
            return f"more than {self._per_second:g} questions a second"
        if self._audit is not None and self._audit.refuses:
            return "the audit can't be written"
        return None

    def on_lost(self) -> None:
        """The session is over: nobody waits for answers."""
        self._tasks.give_up()

    async def close(self) -> None:
        """Stop answering."""
        await self._tasks.cancel()

    async def _answer(self, question: int, topic: int, data: bytes) -> None:
        kind = _KINDS.get(topic, Kind.LOOK_UP)
        result = "failed"
        try:
            told = await self._find_out(topic, data)
            result = "answered" if told else "failed"
        except LookUpError as error:
            self._refused(f"({error.reply:d}) {error.reason}")
            self._audit_failure(topic, data, error)
            self._tell(question, error.reply)
        except asyncio.CancelledError:
            result = "abandoned"
            if self._audit is not None:
                name = _asked(topic, data)
                self._audit.tell(kind, Event.FAILED, name=name, end="nobody waits for it any more")
            raise
        except ValueError:
            if self._audit is not None:
                self._audit.tell(kind, Event.FAILED, end="the question makes no sense")
            self._tell(question, Reply.ADDRESS_TYPE_NOT_SUPPORTED)
        else:
            reply = Reply.SUCCEEDED if told else Reply.GENERAL_FAILURE
            self._tell(question, reply, told)
        finally:
            self.results[kind, result] += 1

    async def _find_out(self, topic: int, data: bytes) -> bytes:
        """The answer, empty if there is none. Raises LookUpError and ValueError."""
        match topic:
            case Topic.ADDRESS_OF:
                [best, *_] = await self._look_up.addresses(data.decode("ascii"))
                self._audit_answer(topic, data, str(best))
                return encode_address(Target(str(best), 0))
            case Topic.NAME_OF:
                parsed = parse_address(data)
                if parsed is None or (ip := parsed[0].ip) is None:
                    raise ValueError("no address")
                name = await self._look_up.name_of(ip)
                self._audit_answer(topic, data, name)
                return name.encode("ascii")
            case Topic.DNS:
                return await self._nameserver.answer(data)
            case _:
                raise ValueError("an unknown topic")

    def _audit_answer(self, topic: int, data: bytes, answer: str) -> None:
        if self._audit is not None:
            name = _asked(topic, data)
            self._audit.tell(_KINDS[topic], Event.ANSWERED, name=name, end=answer)

    def _audit_failure(self, topic: int, data: bytes, error: LookUpError) -> None:
        if self._audit is not None:
            name = _asked(topic, data)
            denied = error.rule is not None
            end = "denied" if denied else error.reason.removeprefix(f"look-up of {name}: ")
            self._audit.tell(
                _KINDS[topic], Event.FAILED, name=name, allowed=not denied, rule=error.rule, end=end
            )

    def _tell(self, question: int, reply: int, data: bytes = b"") -> None:
        if not self._link.post(Tell(question, reply, data)) and data:
            # Too long for this channel, or it is full: the guest need not wait in vain.
            self._link.post(Tell(question, Reply.GENERAL_FAILURE, b""))


def _asked(topic: int, data: bytes) -> str | None:
    """What a question is about, for the audit: a name, or an address."""
    match topic:
        case Topic.ADDRESS_OF:
            return data.decode("ascii", "backslashreplace")
        case Topic.NAME_OF:
            parsed = parse_address(data)
            return None if parsed is None else parsed[0].host
        case Topic.DNS:
            query = read_query(data)
            return query.name if isinstance(query, Query) else None
        case _:
            return None
