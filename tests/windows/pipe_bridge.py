"""A named pipe of Windows as QEMU's or VirtualBox's host would offer it, joined to a TCP port.

    python -m tests.windows.pipe_bridge PIPE HOST PORT

Prints "serving" when the pipe is there. Runs until it is killed; serves one client after another.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

assert sys.platform == "win32"


class Bridge:
    """The server of a pipe; each client of it gets a TCP connection."""

    def __init__(self, pipe: str, address: tuple[str, int]) -> None:
        self._pipe = rf"\\.\pipe\{pipe}"
        self._address = address
        self._servers: list[asyncio.windows_events.PipeServer] = []
        self._clients: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Bridge:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, asyncio.ProactorEventLoop)
        self._servers = await loop.start_serving_pipe(self._protocol, self._pipe)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader()
        return asyncio.StreamReaderProtocol(reader, self._on_client)

    def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            other_reader, other_writer = await asyncio.open_connection(*self._address)
            both = [
                asyncio.ensure_future(_copy(reader, other_writer)),
                asyncio.ensure_future(_copy(other_reader, writer)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
                other_writer.close()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def main() -> None:
    pipe, host, port = sys.argv[1:]
    async with Bridge(pipe, (host, int(port))):
        print("serving", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
