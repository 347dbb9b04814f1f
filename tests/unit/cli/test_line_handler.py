"""A log that can't be written for a while: what it says later, and what others are told at once."""

from __future__ import annotations

import errno
import io
import logging
import os
from collections.abc import Iterator

import pytest

from vsocks.cli import logs
from vsocks.cli.line_handler import LineHandler, to_stream

pytestmark = pytest.mark.unit


class Disk:
    """Takes all, or nothing."""

    is_full = False

    def __init__(self) -> None:
        self.content = b""

    def put(self, data: memoryview) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.content += data
        return len(data)


@pytest.fixture
def restored() -> Iterator[None]:
    """The logger is everybody's."""
    logger = logging.getLogger("vsocks")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


@pytest.mark.usefixtures("restored")
def test_what_was_lost_is_told_and_other_handlers_are_told_at_once() -> None:
    disk, other = Disk(), Disk()
    handlers = [LineHandler(other.put), LineHandler(disk.put)]
    logs.configure(verbose=0, as_json=False, handlers=handlers)
    log = logging.getLogger("vsocks.test")
    disk.is_full = True
    for number in range(3):
        log.info("line %d", number)
    disk.is_full = False
    log.info("line 3")
    said = [line.partition(b" INFO    ")[2] for line in disk.content.splitlines()]
    assert said == [b"", b"line 3"]
    assert b"could not be written: 3; the last one: No space left on device" in disk.content
    assert other.content.count(b"a log can't be written: No space left on device") == 1
    assert other.content.count(b"line ") == 4


@pytest.mark.usefixtures("restored")
def test_a_program_without_stderr_logs_nowhere() -> None:
    logs.configure(verbose=0, as_json=False, handlers=[to_stream(None)])
    logging.getLogger("vsocks.test").info("to nobody")


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("words", ["to a file that is closed", "%d of these"])
def test_no_fault_of_a_log_gets_to_who_logs(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding="utf-8")
    logs.configure(verbose=0, as_json=False, handlers=[to_stream(stream)])
    if "closed" in words:
        file.close()
    logging.getLogger("vsocks.test").info(words, *["one"] * words.count("%"))
    assert "--- Logging error ---" in capsys.readouterr().err


@pytest.mark.usefixtures("restored")
def test_letters_that_the_stream_has_not_are_escaped() -> None:
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding="ascii")
    logs.configure(verbose=0, as_json=False, handlers=[to_stream(stream)])
    logging.getLogger("vsocks.test").info("größer")
    assert file.getvalue().endswith(rb"gr\xf6\xdfer" + os.linesep.encode())
