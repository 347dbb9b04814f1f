"""Any text after ``--channel``."""

from __future__ import annotations

import os

from vsocks.channel import ChannelSpec, open_source, parse_spec
from vsocks.errors import UsageError

KINDS = ("unix", "unix-listen", "virtio", "serial", "tcp", "tcp-listen")


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
    assert "\n" not in message
    assert "valid forms: unix:PATH" in message


def check_spec(spec: ChannelSpec) -> None:
    assert spec.kind in KINDS
    assert spec.place or spec.kind == "auto"
    assert 0 <= spec.port <= 0xFFFF
    assert spec.baudrate > 0
    assert str(spec)
    assert open_source(spec).max_frame > 0


def names_a_path(text: str) -> bool:
    """Whether the text is a bare path: a fuzzer should not open the devices of this machine."""
    kind, colon, _ = text.partition(":")
    return "/" in text and not (colon and kind in KINDS)


SEEDS = [
    b"unix:/run/vm.sock",
    b"unix-listen:/run/vm.sock",
    b"virtio",
    b"virtio:org.vsocks.0",
    b"serial:/dev/ttyS1?baudrate=9600",
    b"tcp:[::1]:7777",
    b"tcp-listen:127.0.0.1:7777",
]
