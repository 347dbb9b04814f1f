"""Watching an installation that nobody sees: what its console must say, in order, and by when.

A milestone that is not reached raises `MissedError`, whose message has the name, the reason and the
console's last lines. An optional one may be left out: it is good for the display, and nothing waits
for it alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..progress import say, step
from ..transcript import Line, Transcript, WaitError
from .machine import NOTHING_TO_BOOT, READY, SAYS


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something that the console says once on the way."""

    name: str
    pattern: str
    seconds: float
    """Deadline, from the milestone before it; under KVM."""
    optional: bool = False


class MissedError(Exception):
    """A milestone was not reached; the message says which, why, and what the console said last."""

    def __init__(self, milestone: Milestone, why: str) -> None:
        super().__init__(f"milestone not reached: {milestone.name}: {why}")
        self.milestone = milestone


def reached(name: str, seconds: float, *, optional: bool = False) -> Milestone:
    """A milestone that a program of ours tells."""
    pattern = rf"{SAYS} reached {re.escape(name)}(?![\w-])"
    return Milestone(name, pattern, seconds, optional)


FIRMWARE_TRIES_DISC = Milestone("disc", r"BdsDxe: starting Boot\d+ .*(DVD|CD)-ROM", 60)

INSTALLATION = (
    FIRMWARE_TRIES_DISC,
    # Windows' first stage may lack a driver for the COM port.
    reached("windows-pe", 300, optional=True),
    reached("specialize", 3600, optional=True),
    reached("first-logon", 1800),
    reached("checksums", 300),
    reached("unpacked", 300),
    reached("driver", 600),
    reached("port", 150),
    reached("openssh", 300, optional=True),
    reached("sshd-start", 300),
    Milestone("host-key", rf"{SAYS} host-key (ssh-ed25519 \S+)", 60),
    reached("boot-task", 300),
    reached("activation", 300, optional=True),
    Milestone("evaluation", rf"{SAYS} evaluation-minutes (\w+)", 600),
    reached("provisioned", 60),
)

PROVISIONING = tuple(
    # A box may have the driver already.
    replace(it, optional=it.optional or it.name == "driver")
    for it in INSTALLATION[[it.name for it in INSTALLATION].index("first-logon") :]
)
"""The part of it that a Windows goes through which is installed already."""

FAILURES = (
    rf"{SAYS} failed",
    # Nobody pressed a key in time, or the disc cannot be booted.
    r"BdsDxe: failed to (start|load) Boot\d+ .*(DVD|CD)-ROM",
    NOTHING_TO_BOOT,
)

BOOT = (
    Milestone("booting", rf"{SAYS} booting", 600, optional=True),
    Milestone("ready", READY, 300),
    Milestone("evaluation", rf"{SAYS} evaluation-minutes (\w+)", 300),
)


def watch(
    console: Transcript,
    milestones: Sequence[Milestone],
    on_reached: Callable[[int, Milestone, Line], None] = lambda _number, _milestone, _line: None,
    *,
    failing: Iterable[str] = FAILURES,
    patience: float = 1.0,
) -> dict[str, Line]:
    """Wait for all milestones in order, telling the progress; the lines by the milestones' names.

    `on_reached` is called at each, with its number from 1. `patience` multiplies all deadlines.
    """
    lines: dict[str, Line] = {}
    at, after = 0, 0
    while at < len(milestones):
        goal = next_required(milestones, at)
        wanted = milestones[at : goal + 1]
        limit = patience * sum(milestone.seconds for milestone in wanted)
        title = f"[{at + 1}/{len(milestones)}] {wanted[0].name} (within {limit:.0f} s)"
        with step(title):
            line = _wait(console, wanted, limit, after, failing)
        found = next(it for it in wanted if re.search(it.pattern, line.text))
        lines[found.name] = line
        at = milestones.index(found) + 1
        after = line.number + 1
        if found is not wanted[0]:
            say(f"   not told, but over: {', '.join(_names(wanted[: wanted.index(found)]))}")
        on_reached(at, found, line)
    return lines


def next_required(milestones: Sequence[Milestone], at: int) -> int:
    """The place of the first milestone from `at` on that must be reached."""
    for place in range(at, len(milestones)):
        if not milestones[place].optional:
            return place
    return len(milestones) - 1


def _wait(
    console: Transcript,
    wanted: Sequence[Milestone],
    limit: float,
    after: int,
    failing: Iterable[str],
) -> Line:
    pattern = "|".join(f"(?:{milestone.pattern})" for milestone in wanted)
    try:
        return console.wait(pattern, timeout=limit, after=after, failing=failing)
    except WaitError as error:
        raise MissedError(wanted[0], str(error)) from error


def _names(milestones: Iterable[Milestone]) -> list[str]:
    return [milestone.name for milestone in milestones]
