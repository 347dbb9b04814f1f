"""Both daemons joined by each kind of channel that a process can make by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.support.ptys import PtyCable
from tests.one_process.conftest import Run, running, until
from tests.one_process.mux.test_relay import there_and_back
from tests.one_process.pair import LOOPBACK, Pair, echo_server
from vsocks.channel import open_source, parse_spec
from vsocks.guest.daemon import Guest, GuestConfig
from vsocks.host.config import HostConfig
from vsocks.host.daemon import Host
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


@contextlib.asynccontextmanager
async def joined(guest_channel: str, host_channel: str) -> AsyncIterator[Pair]:
    """A session stands when the body begins."""
    guest = Guest(
        GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0),)), open_source(parse_spec(guest_channel))
    )
    host = Host(HostConfig(Wire.AUTO, LOOPBACK), open_source(parse_spec(host_channel)))
    await guest.start()
    await host.start()
    address = guest.address
    async with running(guest.run(), host.run()):
        await until(lambda: guest.has_session and host.has_session)
        yield Pair(guest, host, address)
        await host.goodbye()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("kind", ["unix", "tcp"])
@pytest.mark.parametrize("listens", ["guest", "host"])
def test_a_socket(run: Run[None], tmp_path: Path, kind: str, listens: str) -> None:
    async def exchange() -> None:
        place = f"{tmp_path}/channel" if kind == "unix" else f"127.0.0.1:{free_port()}"
        ends = [f"{kind}-listen:{place}", f"{kind}:{place}"]
        async with (
            joined(*(ends if listens == "guest" else reversed(ends))) as both,
            echo_server() as target,
        ):
            await asyncio.gather(*(there_and_back(both, target, n, 200_000) for n in range(4)))

    run(exchange())


def test_a_serial_line(run: Run[None]) -> None:
    async def exchange() -> None:
        with PtyCable() as cable:
            one, other = cable.devices
            async with joined(f"serial:{one}", f"serial:{other}") as both, echo_server() as target:
                await asyncio.gather(*(there_and_back(both, target, n, 50_000) for n in range(3)))

    run(exchange())


def test_a_channel_that_comes_later(run: Run[None], tmp_path: Path) -> None:
    async def later() -> None:
        path = tmp_path / "channel"
        host = Host(HostConfig(Wire.AUTO, LOOPBACK), open_source(parse_spec(f"unix:{path}")))
        await host.start()
        async with running(host.run()):
            await asyncio.sleep(0.05)
            listener = socket.create_server(str(path), family=socket.AF_UNIX)
            listener.setblocking(False)
            end, _ = await asyncio.get_running_loop().sock_accept(listener)
            end.close()
            listener.close()

    run(later())
