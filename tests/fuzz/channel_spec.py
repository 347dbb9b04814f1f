"""Any text after ``--channel``."""

from __future__ import annotations

import os

from vsocks.channel import ChannelSpec, open_source, parse_spec
from vsocks.channel.spec import KINDS
from vsocks.errors import UsageError


def run(data: bytes) -> None:
    # As the command line brings it: no zero bytes, and what isn't UTF-8 as surrogates.
    text = os.fsdecode(data.replace(b"\0", b""))
    if names_a_path(text):
        return
    try:
        spec = parse_spec(text)
    except UsageError as error:
        check_complaint(str(error))
    else:
        check_spec(spec)


def check_complaint(message: str) -> None:
    """It is one line, whatever was in the text, and shows the valid forms."""
    check_line(message)
    assert "valid forms: unix:PATH" in message


def check_line(message: str) -> None:
    assert "\n" not in message


def check_spec(spec: ChannelSpec) -> None:
    assert spec.kind in KINDS
    assert spec.place or spec.kind == "auto"
    assert 0 <= spec.port <= 0xFFFF
    assert spec.baudrate > 0
    assert parse_spec(str(spec)).kind == spec.kind
    try:
        source = open_source(spec)
    except UsageError as error:  # it is of the other system
        check_line(str(error))
    else:
        assert source.max_frame > 0


def names_a_path(text: str) -> bool:
    """Whether the text is a bare path: a fuzzer should not open the devices of this machine."""
    kind, colon, _ = text.partition(":")
    return "/" in text and not (colon and kind in KINDS)


PLACES = ("", ":/run/vm.sock", ":org.vsocks.0", ":/dev/ttyS1?baudrate=9600", ":[::1]:7777")
SEEDS = [(kind + place).encode() for kind in KINDS for place in PLACES]
