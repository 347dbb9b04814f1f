"""What went through a channel, as lines: every byte is told of once, whatever the bytes are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.protocol.original_peer import BY_IP, BY_NAME, packet
from tests.unit.protocol.side import Side
from vsocks.cli.main import main
from vsocks.protocol.decode import Decoder, Line
from vsocks.protocol.endpoint import Wire
from vsocks.protocol.frames import CONTROL_ID, HEADER
from vsocks.protocol.handshake import Offer, Role

pytestmark = pytest.mark.unit


def recorded() -> tuple[bytes, bytes]:
    """What a guest and a host say in a session with one connection."""
    guest, host = Side(Role.GUEST, 1, 0.0, Offer()), Side(Role.HOST, 2, 0.0, Offer())
    said = {guest: b"", host: b""}

    def talk() -> None:
        for _ in range(4):
            for one, other in ((guest, host), (host, guest)):
                output = one.output(0.0)
                said[one] += output
                other.deliver(output, 0.0)

    talk()
    guest.open(7)
    talk()
    guest.send(7, 1000)
    talk()
    guest.end(7)
    talk()
    return said[guest], said[host]


FROM_GUEST, FROM_HOST = recorded()


def lines_of(data: bytes, chunks: list[int] | None = None, wire: Wire = Wire.AUTO) -> list[Line]:
    decoder = Decoder(wire)
    lines: list[Line] = []
    rest = data
    for size in chunks or []:
        lines += decoder.feed(rest[:size])
        rest = rest[size:]
    lines += decoder.feed(rest)
    lines += decoder.end()
    assert sum(line.size for line in lines) == len(data), "a byte too many, or too few"
    offset = 0
    for line in lines:
        assert line.offset == offset
        assert str(line).isprintable()
        offset += line.size
    return lines


def said(lines: list[Line]) -> list[str]:
    return [f"{line.stream} {line.text}".strip() for line in lines]


def test_a_session_is_told_message_by_message() -> None:
    told = said(lines_of(FROM_GUEST))
    assert told[0].startswith("HELLO guest version=1 nonce=0x")
    assert "c1 OPEN target=c7:80" in told
    assert "c1 DATA 1000 bytes" in told
    assert "c1 END" in told
    assert not any("damaged" in line or "skipped" in line for line in told)
    answers = said(lines_of(FROM_HOST))
    assert "PONG token=1" in answers
    assert not any("damaged" in line or "skipped" in line for line in answers)


@given(st.lists(st.integers(0, 300), max_size=30))
def test_chunking_makes_no_difference(chunks: list[int]) -> None:
    assert lines_of(FROM_GUEST, chunks) == lines_of(FROM_GUEST)


@given(st.integers(0, len(FROM_GUEST)))
def test_a_record_that_is_cut_short_says_so(cut: int) -> None:
    whole, told = lines_of(FROM_GUEST), lines_of(FROM_GUEST[:cut], wire=Wire.VSOCKS)
    ends = {line.offset + line.size for line in whole} | {0}
    assert (cut in ends) == (not told or "cut short" not in told[-1].text)
    assert told[:-1] == whole[: max(0, len(told) - 1)]


def test_a_record_may_begin_within_a_session() -> None:
    whole = lines_of(FROM_GUEST)
    start = next(line.offset for line in whole if line.text.startswith("OPEN"))
    assert said(lines_of(FROM_GUEST[start:])) == said([w for w in whole if w.offset >= start])


def test_what_is_torn_is_said_and_the_next_session_read() -> None:
    start = next(line.offset for line in lines_of(FROM_GUEST) if line.text.startswith("DATA"))
    told = said(lines_of(FROM_GUEST[: start + 500] + FROM_GUEST))
    assert any("skipped" in line for line in told)
    assert told[-len(lines_of(FROM_GUEST)) :] == said(lines_of(FROM_GUEST))


def test_a_lost_frame_is_noticed() -> None:
    whole = lines_of(FROM_GUEST)
    lost = next(line for line in whole if line.text.startswith("DATA"))
    told = said(lines_of(FROM_GUEST[: lost.offset] + FROM_GUEST[lost.offset + lost.size :]))
    assert any("damaged: number" in line for line in told)


def test_padding_and_noise_are_told_apart() -> None:
    padding = HEADER.pack(CONTROL_ID, 100) + bytes(100)
    told = said(lines_of(padding + b"\x07noise" + FROM_GUEST))
    assert told[0] == "PADDING"
    assert "skipped" in told[1]
    assert told[2].startswith("HELLO")


def test_the_original_wire() -> None:
    data = packet(3, BY_IP) + packet(3, b"hello") + packet(5, BY_NAME) + packet(3) + packet(5)
    told = said(lines_of(data))
    assert told[0].startswith("c1 OPEN id=0x0003 target=")
    assert told[1] == "c1 DATA 5 bytes"
    assert told[2].startswith("c2 OPEN id=0x0005 target=")
    assert told[3:] == ["c1 CLOSE", "c2 CLOSE"]


@given(st.binary(max_size=600), st.lists(st.integers(0, 50), max_size=8), st.sampled_from(Wire))
def test_any_bytes_are_told_of(data: bytes, chunks: list[int], wire: Wire) -> None:
    lines_of(data, chunks, wire)
    lines_of(data, chunks)


@given(st.integers(0, len(FROM_GUEST) - 1), st.integers(1, 255))
def test_a_changed_byte_is_survived(at: int, change: int) -> None:
    damaged = bytearray(FROM_GUEST)
    damaged[at] ^= change
    lines_of(bytes(damaged))


def test_a_file_is_shown(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    file = f"{tmp_path}/record"
    with open(file, "wb") as record:  # noqa: PTH123
        record.write(FROM_GUEST)
    assert main(["decode", file]) == 0
    assert "OPEN target=c7:80" in capsys.readouterr().out
    assert main(["decode", f"{tmp_path}/none"]) == 2
    assert "can't read" in capsys.readouterr().err
