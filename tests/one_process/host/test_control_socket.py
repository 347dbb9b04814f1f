"""The control socket's bounds in time: who is silent, or doesn't read, holds no place."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.one_process.conftest import DEADLINE, Run, running
from vsocks.control.lines import parse_answer, request_line
from vsocks.control.messages import Done, Item, MetricsText, Request, Status
from vsocks.host import control_socket
from vsocks.host.control_socket import ControlConfig, ControlSocket

pytestmark = pytest.mark.one_process


async def endless(_request: Request) -> AsyncGenerator[Item, None]:
    """More than a socket holds."""
    while True:
        yield MetricsText("x" * 1000)


async def nothing(_request: Request) -> AsyncGenerator[Item, None]:
    none: list[Item] = []
    for item in none:
        yield item


def await_hangup(client: socket.socket) -> None:
    """Wait for the other end's close, whatever is to be read before it."""
    poll = select.poll()
    poll.register(client, 0)
    assert poll.poll(1000 * DEADLINE)


async def hanging(_request: Request) -> AsyncGenerator[Item, None]:
    await asyncio.get_running_loop().create_future()
    yield MetricsText("")


@pytest.mark.parametrize("does", ["endless", "hanging"])
def test_an_answer_that_takes_too_long_is_given_up(
    run: Run[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    monkeypatch.setattr(control_socket, "ANSWER", 0.1)

    async def ask() -> None:
        path = tmp_path / "socket"
        served = ControlSocket(ControlConfig(path), endless if does == "endless" else hanging)
        served.start()
        async with running(served.run()):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(request_line(Status()))
                await asyncio.to_thread(await_hangup, client)
        assert not path.exists()

    run(ask())


def test_a_client_that_asks_nothing_is_closed(
    run: Run[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "IDLE", 0.1)

    async def ask() -> None:
        served = ControlSocket(ControlConfig(tmp_path / "socket"), nothing)
        served.start()
        async with running(served.run()):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            assert await reader.read() == b""
            writer.close()

    run(ask())


def test_clients_are_let_go_at_the_end(run: Run[None], tmp_path: Path) -> None:
    async def ask() -> None:
        served = ControlSocket(ControlConfig(tmp_path / "socket"), nothing)
        served.start()
        async with running(served.run()):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            writer.write(request_line(Status()))
            assert parse_answer(await reader.readline()) == Done()
        assert await reader.read() == b""
        writer.close()

    run(ask())


def test_a_socket_that_somebody_else_has_by_now_is_left(run: Run[None], tmp_path: Path) -> None:
    async def ask() -> None:
        path = tmp_path / "socket"
        served = ControlSocket(ControlConfig(path), nothing)
        served.start()
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            served.close()
            assert path.exists()

    run(ask())
