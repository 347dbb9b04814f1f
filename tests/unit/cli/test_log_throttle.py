"""What peers cause can't fill a disk, and nothing is left out without a word."""

from __future__ import annotations

import logging

import pytest

from vsocks.cli.log_throttle import AT_ONCE, IN_THE_LONG_RUN, LogThrottle

pytestmark = pytest.mark.unit


class Lines(logging.Handler):
    """Keeps what it is to write."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Log:
    """A logger with two handlers and a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.first: list[str] = []
        self.second: list[str] = []
        self.logger = logging.Logger("of a test", logging.DEBUG)
        throttle = LogThrottle(lambda: self.now)
        for lines in (self.first, self.second):
            handler = Lines(lines)
            handler.addFilter(throttle)
            self.logger.addHandler(handler)


def test_a_flood_is_bounded_and_counted() -> None:
    log = Log()
    for number in range(100_000):
        log.now = number / 1000
        log.logger.info("refused: %s", number)
    assert AT_ONCE < len(log.first) <= AT_ONCE + 100 * IN_THE_LONG_RUN + 1
    assert log.first[:2] == ["refused: 0", "refused: 1"]
    log.now = 200.0
    log.logger.info("refused: %s", "the last")
    assert log.first[-1].startswith("refused: the last (and ")
    told = [int(line.partition("(and ")[2].split()[0]) for line in log.first if "(and" in line]
    assert len(log.first) + sum(told) == 100_001
    assert log.second == log.first


def test_a_flood_hides_nothing_else() -> None:
    log = Log()
    for _ in range(2 * AT_ONCE):
        log.logger.warning("accepting a client failed: %s", "no descriptors")
    log.logger.info("session lost: %s", "why")
    assert log.first[-1] == "session lost: why"


def test_what_was_asked_for_is_not_bounded() -> None:
    log = Log()
    for number in range(3 * AT_ONCE):
        log.logger.debug("connection %d", number)
    assert len(log.first) == 3 * AT_ONCE
