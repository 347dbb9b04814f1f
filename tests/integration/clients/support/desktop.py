"""Screens that nobody sees (Xvfb), and a server that shows one of them by RDP (FreeRDP's)."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.server_process import server_process
from tests.integration.support.layouts import free_port
from tests.integration.support.waiting import DEADLINE, eventually

SERVER = "freerdp-shadow-cli"
WIDTH, HEIGHT = 640, 480
HEADER = struct.Struct(">25I")
"""Of a window dump (XWDFile.h): the first number is its length, the 20th how many colours follow,
of 12 bytes each; then come the pixels."""


@dataclass(frozen=True)
class Screen:
    """A running X server's."""

    display: str
    #: What it shows, as a window dump that changes with it.
    dump: Path

    def brightness(self) -> float:
        """From 0, when it is black, to 255, when it is white: the mean of one of its colours."""
        data = self.dump.read_bytes()
        header = HEADER.unpack_from(data)
        blue = data[header[0] + 12 * header[19] :: 4]
        return sum(blue) / len(blue)


@contextmanager
def screen(folder: Path, background: str) -> Iterator[Screen]:
    """One with nothing on it. `background` is Xvfb's option for its colour."""
    folder.mkdir()
    command = [
        *("Xvfb", "-displayfd", "2", "-noreset", "-nolisten", "tcp", background),
        *("-fbdir", str(folder), "-screen", "0", f"{WIDTH}x{HEIGHT}x24"),
    ]
    with server_process(command, folder, ready=r"^\d+$", failing=("[Ff]atal", "EE")) as log:
        (number,) = log.find(r"^\d+$")
        yield Screen(f":{number.text}", folder / "Xvfb_screen0")


@dataclass(frozen=True)
class Running:
    """A program that goes on until it is stopped."""

    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Fail the test at once if it has ended."""
        if (status := self.process.poll()) is not None:
            said = self.log.read_text(errors="replace")
            pytest.fail(f"{self.process.args!r} ended with {status}\n{said}")


@contextmanager
def running(programs: Programs, command: Sequence[str], on: Screen) -> Iterator[Running]:
    """Run it on that screen, stopped at the end; its output goes to NAME.log."""
    needs(command[0])
    log = programs.directory / f"{command[0]}.log"
    environment = {**programs.environment, "DISPLAY": on.display}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        ) as process,
    ):
        try:
            yield Running(process, log)
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@contextmanager
def rdp_server(programs: Programs, on: Screen) -> Iterator[int]:
    """The port of 127.0.0.1 by which anybody may see that screen, by RDP within TLS."""
    port = free_port()
    options = (f"/port:{port}", "/bind-address:127.0.0.1", "-auth", "/sec:tls")
    with running(programs, (SERVER, *options), on) as server:

        def listens() -> None:
            server.check()
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) == 0, f"{SERVER} does not listen"

        eventually(listens)
        yield port
