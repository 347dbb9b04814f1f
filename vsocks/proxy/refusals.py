"""What was refused lately, and why, for the status page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Different ones that are remembered.
MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that somebody wanted and did not get."""

    #: What the client spoke, or who it was.
    protocol: str
    #: Where it wanted to go; empty if that is not known.
    target: str
    #: In words for people.
    reason: str


class Refusals:
    """The last of them; the same again is counted, so that a flood leaves room for others."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        #: How many of each there were, and the time of the last; the latest is the last.
        self._seen: dict[Refusal, tuple[int, float]] = {}

    def add(self, protocol: str, target: str, reason: str, now: float) -> None:
        """Something was refused."""
        refusal = Refusal(protocol, target, reason)
        count, _ = self._seen.pop(refusal, (0, now))
        self._seen[refusal] = (count + 1, now)
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]

    def latest(self, now: float) -> list[tuple[Refusal, int, float]]:
        """Each with its count and the seconds since its last time, the latest first."""
        seen = [(refusal, count, now - when) for refusal, (count, when) in self._seen.items()]
        return seen[::-1]
