"""`vsocks decode`: what went through a channel, as lines."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from vsocks.errors import UsageError, describe
from vsocks.protocol.decode import Decoder, Wire

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
        help="the wire format (default: as the first bytes tell)",
    )


def run_decode(options: argparse.Namespace) -> int:
    """Print the lines; raises UsageError if the file can't be read."""
    decoder = Decoder(options.wire)
    try:
        with _opened(options.file) as file:
            while data := _read(file, options.file):
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


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - it is closed below
    except OSError as error:
        raise UsageError(f"can't read {name!r}: {describe(error)}") from None
    with file:
        yield file


def _read(file: BinaryIO, name: str) -> bytes:
    try:
        # What is there, not as much as was asked for: a pipe is to be shown as it comes.
        return os.read(file.fileno(), _READ_SIZE)
    except OSError as error:
        raise UsageError(f"can't read {name!r}: {describe(error)}") from None
