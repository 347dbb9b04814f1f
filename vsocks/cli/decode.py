"""`vsocks decode`: what went through a channel, as lines."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from vsocks.errors import UsageError, describe
from vsocks.protocol.decode import Decoder
from vsocks.protocol.endpoint import Wire

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

_READ_SIZE: Final = 64 * 1024


def add_decode_options(parser: argparse.ArgumentParser) -> None:
    """All that `vsocks decode` takes."""
    parser.description = (
        "Show the bytes of one direction of a channel, as socat or QEMU's logfile= keep them: the "
        "offset of each frame, its length, its stream and what it says."
    )
    parser.add_argument("file", metavar="FILE", help="the bytes; - for those of stdin")
    parser.add_argument(
        "--wire",
        type=Wire,
        choices=list(Wire),
        default=Wire.AUTO,
        help="the wire format; auto tells by the first bytes (default: auto)",
    )


def run_decode(options: argparse.Namespace) -> int:
    """Print the lines; raises UsageError if the file can't be read."""
    decoder = Decoder(options.wire)
    try:
        for data in _chunks(options.file):
            _print(decoder.feed(data))
        _print(decoder.end())
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads the lines has seen enough; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _print(lines: Iterator[object]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _chunks(name: str) -> Iterator[bytes]:
    """The bytes of a file or stdin, as they come: a pipe is to be shown at once."""
    try:
        with open(sys.stdin.fileno() if name == "-" else name, "rb", closefd=name != "-") as file:
            while data := os.read(file.fileno(), _READ_SIZE):
                yield data
    except OSError as error:
        raise UsageError(f"can't read {name!r}: {describe(error)}") from None
