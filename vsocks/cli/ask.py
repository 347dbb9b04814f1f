"""Asking a host daemon that runs, through its control socket."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.aio.socket_options import AF_UNIX
from vsocks.control.lines import (
    LONGEST_ANSWER,
    ControlError,
    Lines,
    parse_answer,
    request_line,
)
from vsocks.control.messages import Done, Failed, error_of
from vsocks.errors import ForbiddenError, UnavailableError, VsocksError, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vsocks.control.messages import Answer, Item, Request

PATH: Final = Path("/run/vsocks/control.sock")
"""Where a daemon listens that the service manager runs."""

#: Seconds that an answer, or the next piece of it, may take.
_PATIENCE: Final = 75.0


class Asking:
    """A connection to a daemon, for one request after the other; closed as a context ends."""

    def __init__(self, path: Path) -> None:
        """Raises UnavailableError or ForbiddenError if no daemon answers there."""
        self._lines = Lines(LONGEST_ANSWER)
        self._socket = _connected(path)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: Request) -> Iterator[Item]:
        """The items of the answer. Raises VsocksError if it can't be done, or was not understood.

        The next request needs the end of this one's answer.
        """
        line = request_line(request)
        try:
            self._socket.sendall(line)
            for answer in self._answers():
                match answer:
                    case Done():
                        return
                    case Failed():
                        raise error_of(answer)
                    case None:
                        pass
                    case _:
                        yield answer
        except OSError as error:
            raise UnavailableError(f"the host daemon doesn't answer: {describe(error)}") from None

    def _answers(self) -> Iterator[Answer | None]:
        try:
            while data := self._socket.recv(LONGEST_ANSWER):
                for line in self._lines.add(data):
                    yield parse_answer(line)
        except ControlError as error:
            raise VsocksError(f"the daemon's answer is {describe(error)}") from None
        raise UnavailableError("the host daemon has closed the connection; the log may say why")


def _connected(path: Path) -> socket.socket:
    if AF_UNIX < 0:
        raise UnavailableError("the host daemon runs on Linux, and is asked there")
    connection = socket.socket(AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise _refusal(path, error) from None
    return connection


def _refusal(path: Path, error: OSError) -> VsocksError:
    """What to raise when nobody answers."""
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ForbiddenError(f"can't ask at {path}: {describe(_explained(path, error))}")
    return UnavailableError(
        f"no host daemon answers at {path}: {describe(error)}; start it with --control {path}, or "
        "say where it is by --control PATH"
    )


if sys.platform == "win32":

    def _explained(_path: Path, error: OSError) -> OSError:
        return error

else:
    from vsocks.channel.path_errors import explained

    def _explained(path: Path, error: OSError) -> OSError:
        return explained(str(path), error)
