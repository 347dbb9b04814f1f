"""Lines in a file that is full for a while: what is torn, what is counted, what is told of it."""

from __future__ import annotations

import errno

import pytest

from vsocks.line_writer import LossyLines, WholeLines

pytestmark = pytest.mark.unit


class Disk:
    """Takes so many bytes more, as a file on a full disk does."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.content = b""

    def put(self, data: memoryview) -> int:
        size = min(self.room, len(data))
        if not size:
            raise OSError(errno.ENOSPC, "full")
        self.room -= size
        self.content += data[:size]
        return size


def lossy(disk: Disk) -> LossyLines:
    return LossyLines(disk.put, lambda lost, problem: f"-{lost} {problem.strerror}\n".encode())


def test_what_was_cut_short_is_followed_by_a_whole_line() -> None:
    disk = Disk(room=6)
    lines = WholeLines(disk.put)
    with pytest.raises(OSError, match="full"):
        lines.write(b"one\ntwo\nthree\n")
    assert (disk.content, lines.unwritten) == (b"one\ntw", 2)
    disk.room = 100
    lines.write(b"four\n")
    assert (disk.content, lines.unwritten) == (b"one\ntw\nfour\n", 0)


def test_a_line_that_fits_to_its_end_is_not_torn() -> None:
    disk = Disk(room=4)
    lines = WholeLines(disk.put)
    with pytest.raises(OSError, match="full"):
        lines.write(b"one\ntwo\n")
    disk.room = 100
    lines.write(b"three\n")
    assert disk.content == b"one\nthree\n"


def test_a_reader_that_would_have_to_be_waited_for_is_a_failure() -> None:
    with pytest.raises(BlockingIOError):
        WholeLines(lambda _: None).write(b"one\n")


def test_the_lost_are_counted_and_told_before_the_next() -> None:
    disk = Disk(room=6)
    lines = lossy(disk)
    assert lines.append(b"one\n")
    assert not lines.append(b"two\n")
    assert not lines.append(b"three\nfour\n")
    assert lines.lost == 3
    disk.room = 100
    assert lines.append(b"five\n")
    assert lines.append(b"six\n")
    assert (lines.lost, lines.problem) == (0, None)
    assert disk.content == b"one\ntw\n-3 full\nfive\nsix\n"


def test_room_for_the_count_alone_begins_a_new_one() -> None:
    disk = Disk(room=0)
    lines = lossy(disk)
    assert not lines.append(b"one\n")
    disk.room = len("-1 full\n")
    assert not lines.append(b"two\n")
    assert (disk.content, lines.lost) == (b"-1 full\n", 1)
    disk.room = 3
    assert not lines.append(b"three\n")
    assert (disk.content, lines.lost) == (b"-1 full\n-1 ", 2)
    disk.room = 100
    assert lines.append(b"four\n")
    assert disk.content == b"-1 full\n-1 \n-2 full\nfour\n"
