"""The real devices: handles on the event loop's completion port, tried with named pipes."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.windows.awaited_channel import AwaitedChannel
from tests.windows.support import run

assert sys.platform == "win32"

import _winapi

from vsocks.aio import pending_io
from vsocks.channel import open_source, parse_spec, windows
from vsocks.channel.windows import Handle

numbers = itertools.count()


class PipeServer:
    """The other end of a named pipe, for one client."""

    def __init__(self) -> None:
        self.name = f"vsocks-test-{next(numbers)}-{id(self)}"
        self.path = rf"\\.\pipe\{self.name}"
        self._handle = _winapi.CreateNamedPipe(
            self.path,
            _winapi.PIPE_ACCESS_DUPLEX | _winapi.FILE_FLAG_FIRST_PIPE_INSTANCE,
            _winapi.PIPE_WAIT,
            *(1, 65536, 65536, 0, _winapi.NULL),
        )

    def write(self, data: bytes) -> None:
        written, error = _winapi.WriteFile(self._handle, data)
        assert (written, error) == (len(data), 0)

    def read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more, _ = _winapi.ReadFile(self._handle, size - len(got))
            got += more
        return got

    def close(self) -> None:
        if self._handle:
            _winapi.CloseHandle(self._handle)
            self._handle = 0


@contextmanager
def pipe_server() -> Iterator[PipeServer]:
    server = PipeServer()
    try:
        yield server
    finally:
        server.close()


async def open_pipe(server: PipeServer) -> AwaitedChannel:
    return AwaitedChannel(await open_source(parse_spec(f"pipe:{server.name}")).open())


def test_bytes_both_ways() -> None:
    async def both_ways() -> None:
        with pipe_server() as server:
            channel = await open_pipe(server)
            buffer = memoryview(bytearray(100))
            server.write(b"from the host")
            assert bytes(buffer[: await channel.read_into(buffer)]) == b"from the host"
            reading = asyncio.ensure_future(channel.read_into(buffer))
            await asyncio.sleep(0)
            server.write(b"later")
            assert bytes(buffer[: await reading]) == b"later"
            await channel.write(memoryview(b"to the host"))
            await channel.close()
            assert server.read(11) == b"to the host"

    run(both_ways())


def test_a_big_write_waits_for_a_slow_reader() -> None:
    data = bytes(range(256)) * 4000

    async def slow_reader() -> None:
        with pipe_server() as server:
            channel = await open_pipe(server)
            writing = asyncio.ensure_future(channel.write(memoryview(data)))
            got = await asyncio.to_thread(server.read, len(data))
            await writing
            assert got == data

    run(slow_reader())


def test_the_other_end_hangs_up() -> None:
    async def hang_up() -> None:
        with pipe_server() as server:
            source = open_source(parse_spec(f"pipe:{server.name}"))
            channel = AwaitedChannel(await source.open())
            reading = asyncio.ensure_future(channel.read_into(memoryview(bytearray(10))))
            await asyncio.sleep(0)
            server.close()
            with pytest.raises(OSError, match=r"hung up|pipe"):
                await reading
            await channel.close()
            with pytest.raises(FileNotFoundError, match="there is no"):
                await source.open()
            await source.close()

    run(hang_up())


def test_closing_ends_the_pending_read() -> None:
    async def closing() -> None:
        with pipe_server() as server:
            source = open_source(parse_spec(f"pipe:{server.name}"))
            channel = AwaitedChannel(await source.open())
            reading = asyncio.ensure_future(channel.read_into(memoryview(bytearray(10))))
            await asyncio.sleep(0)
            await channel.close()
            assert not await pending_io.have_ended(within=0)
            await source.close()
            assert await pending_io.have_ended(within=5)
            with pytest.raises(OSError, match="the channel was closed"):
                channel.channel.read_now(memoryview(bytearray(10)))
            reading.cancel()

    run(closing())


def test_who_made_a_pipe_can_not_act_in_our_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION; Wine takes no notice of them."""
    flags: list[int] = []
    create = _winapi.CreateFile

    def noted(*arguments: Any) -> int:
        flags.append(arguments[5])
        return create(*arguments)

    monkeypatch.setattr(_winapi, "CreateFile", noted)

    async def look() -> None:
        with pipe_server() as server:
            channel = await open_pipe(server)
            assert [each & 0x00110000 for each in flags] == [0x00110000]
            await channel.close()

    run(look())


def test_who_is_told_by_the_driver_is_told_no_more_once_the_handle_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[bool] = []

    class Notices:
        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr(windows, "watch_port", lambda *_: Notices())

    async def watched() -> None:
        with pipe_server() as server:
            source = open_source(parse_spec(f"pipe:{server.name}"))
            await source.open()
            assert closed == []
            await source.close()
            assert closed == [True]

    run(watched())


def test_a_pipe_that_is_taken() -> None:
    async def taken() -> None:
        with pipe_server() as server:
            await open_pipe(server)
            with pytest.raises(OSError, match="another program is connected"):
                await open_pipe(server)

    run(taken())


def test_what_exists_is_known_without_opening_it() -> None:
    """NUL stands for a port that a driver has made."""
    assert open_source(parse_spec("virtio:NUL")).exists()
    assert not open_source(parse_spec("virtio:no.such.port")).exists()


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("virtio", r"\\.\Global\org.vsocks.0"),
        ("virtio:no.such.port", r"\\.\Global\no.such.port"),
        ("com:COM77", r"\\.\COM77"),
        ("serial:COM77", r"\\.\COM77"),
        (r"com:\\.\COM77", r"\\.\COM77"),
        ("pipe:no such pipe", r"\\.\pipe\no such pipe"),
        (r"path:C:\no\such\device", r"C:\no\such\device"),
    ],
)
def test_what_is_not_there_is_named(spec: str, path: str) -> None:
    async def not_there() -> None:
        with pytest.raises(FileNotFoundError) as failure:
            await open_source(parse_spec(spec)).open()
        assert str(failure.value).endswith(f"there is no {path}")

    run(not_there())


def test_a_file_is_no_device_that_tells_of_a_host(tmp_path: object) -> None:
    """A pipe knows nothing of IOCTL_GET_INFORMATION."""

    async def ask() -> None:
        with pipe_server() as server:
            handle = Handle(server.path, outlives_host=False)
            assert handle.host_connected() is None
            handle.close()
            handle.close()

    run(ask())


def test_unix_sockets_are_refused() -> None:
    with pytest.raises(Exception, match="no unix sockets on Windows"):
        open_source(parse_spec("unix:/x"))


def test_tcp_channels_work_as_elsewhere() -> None:
    async def over_tcp() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readexactly(4)).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            channel = AwaitedChannel(await open_source(parse_spec(f"tcp:127.0.0.1:{port}")).open())
            await channel.write(memoryview(b"ping"))
            buffer = memoryview(bytearray(10))
            assert bytes(buffer[: await channel.read_into(buffer)]) == b"PING"
            await channel.close()

    run(over_tcp())


def test_a_path_that_is_no_serial_line(tmp_path: Path) -> None:
    """It gets no settings of one."""
    (tmp_path / "device").write_bytes(b"content")

    async def read_file() -> None:
        channel = AwaitedChannel(
            await open_source(parse_spec(f"path:{tmp_path / 'device'}")).open()
        )
        buffer = memoryview(bytearray(7))
        assert bytes(buffer[: await channel.read_into(buffer)]) == b"content"
        await channel.close()

    run(read_file())


def test_a_path_that_makes_no_sense() -> None:
    async def nonsense() -> None:
        with pytest.raises(OSError, match=r"C:\\<>: .*\(123\)"):
            await open_source(parse_spec(r"path:C:\<>")).open()

    run(nonsense())


def test_a_driver_that_answers_later() -> None:
    """As to a server that asks to be told of a client."""
    name = rf"\\.\pipe\vsocks-test-later-{next(numbers)}"
    server = _winapi.CreateNamedPipe(
        name,
        _winapi.PIPE_ACCESS_DUPLEX | _winapi.FILE_FLAG_OVERLAPPED,
        _winapi.PIPE_WAIT,
        *(1, 4096, 4096, 0, _winapi.NULL),
    )

    def connect() -> None:
        handle = _winapi.CreateFile(name, _winapi.GENERIC_READ, 0, 0, _winapi.OPEN_EXISTING, 0, 0)
        _winapi.CloseHandle(handle)

    client = threading.Timer(0.2, connect)
    client.start()
    fsctl_pipe_listen = 0x00110008
    answer = ctypes.create_string_buffer(8)
    assert windows._control(server, fsctl_pipe_listen, answer) == 0
    client.join()
    _winapi.CloseHandle(server)
