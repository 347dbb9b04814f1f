"""Serial lines. The environment names one whose other end gives back what it gets."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from tests.windows.awaited_channel import AwaitedChannel
from tests.windows.support import run

assert sys.platform == "win32"

from vsocks.channel import open_source, parse_spec
from vsocks.channel.serial_settings import is_wine, set_up_line

ECHO = os.environ.get("VSOCKS_TEST_COM", "")
DATA = bytes(range(256)) * 40

needs_echo = pytest.mark.skipif(
    not ECHO, reason="VSOCKS_TEST_COM names no serial line whose other end echoes"
)


async def echoed(spec: str) -> bytes:
    source = open_source(parse_spec(spec))
    channel = AwaitedChannel(await source.open())
    writing = asyncio.ensure_future(channel.write(memoryview(DATA)))
    got, buffer = b"", memoryview(bytearray(4096))
    while len(got) < len(DATA):
        got += buffer[: await channel.read_into(buffer)]
    await writing
    await channel.close()
    await source.close()
    return got


@needs_echo
@pytest.mark.parametrize("form", ["com:{}?baudrate=115200", "serial:{}", "path:\\\\.\\{}"])
def test_bytes_pass_as_they_are(form: str) -> None:
    assert run(echoed(form.format(ECHO))) == DATA


@needs_echo
def test_a_serial_line_wants_short_frames() -> None:
    assert open_source(parse_spec(f"com:{ECHO}")).max_frame < 0xFFFF


def test_what_is_no_serial_line_takes_no_settings() -> None:
    with pytest.raises(OSError, match=r"."):
        set_up_line(0, 9600)


def test_wine_is_told_from_windows() -> None:
    assert is_wine() is bool(os.environ.get("WINEPREFIX") or os.environ.get("WINEHOMEDIR"))
