"""What a trace holds: each frame and each event of a socket, under the same label at both ends."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.one_process.conftest import Run, until
from tests.one_process.pair import LOOPBACK, echo_server, pair
from tests.support import socks_async
from vsocks.errors import UsageError
from vsocks.guest.daemon import GuestConfig
from vsocks.host.config import HostConfig
from vsocks.mux.trace import Trace
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


def traced(run: Run[None], directory: Path, wire: Wire) -> tuple[list[str], list[str]]:
    """The lines of a guest and a host through whom one connection went, without their times."""
    files = directory / "guest", directory / "host"

    async def connect() -> None:
        guest = GuestConfig(wire, listen=(("127.0.0.1", 0),), trace=Trace.open(files[0]))
        host = HostConfig(wire, LOOPBACK, trace=Trace.open(files[1]))
        async with pair(guest=guest, host=host) as both, echo_server() as target:
            reader, writer = await socks_async.connect(both.proxy, target)
            writer.write(bytes(3000))
            assert await reader.readexactly(3000) == bytes(3000)
            writer.close()
            await until(lambda: both.guest.connections == 0)

    run(connect())
    first, second = (
        [line.partition(" ")[2] for line in file.read_text().splitlines()] for file in files
    )
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    return first, second


def test_frames_and_sockets_are_in_it(run: Run[None], tmp_path: Path) -> None:
    guest, host = traced(run, tmp_path, Wire.AUTO)
    assert any(line.startswith("out            HELLO guest") for line in guest)
    [opened] = [line for line in guest if " OPEN target=127.0.0.1:" in line]
    assert opened.startswith("out    c1      OPEN")
    assert opened.replace("out", "in ", 1) in host
    for lines in (guest, host):
        events = [line for line in lines if line.startswith("socket c1 ")]
        read = sum(int(line.split()[-1]) for line in events if " read " in line)
        written = sum(int(line.split()[-1]) for line in events if " written " in line)
        assert (read, written) == (3000, 3000)
        assert sum(" close " in line for line in events) == 1
        assert not any("damaged" in line or "skipped" in line for line in lines)


def test_the_original_wire_is_traced_too(run: Run[None], tmp_path: Path) -> None:
    guest, host = traced(run, tmp_path, Wire.ORIGINAL)
    assert any(line.startswith("out    c1      OPEN id=0x") for line in guest)
    assert any(line.startswith("in     c1      OPEN id=0x") for line in host)


def test_a_file_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't write a trace to .*: No such file"):
        Trace.open(tmp_path / "none" / "file")
