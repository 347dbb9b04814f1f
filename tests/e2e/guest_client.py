"""Runs in the guest: opens connections through SOCKS and checks every byte that comes back.

    python3 -m tests.e2e.guest_client SOCKS_PORT HOST PORT MODE CONNECTIONS LENGTH FIRST_STREAM

LENGTH 0 has no end. For each connection it prints JSON lines: "connected" or "refused" (with the
SOCKS reply), "flowing" after the first 256 KiB, "ended" (how: eof, reset, timeout). Exit
status: 0, or 9 if one byte was wrong.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from contextlib import suppress

from tests.e2e.truth import BLOCK, HEADER, VERDICT, Mode, upward
from tests.support import socks_async
from tests.support.pattern import Checker, pattern
from tests.support.socks_messages import RefusedError, Reply, encode_request

SILENCE = 60.0
FLOWING = 256 * 1024
KERNEL_BUFFER = 128 * 1024
"""Little, so that we wait for the daemon soon instead of filling megabytes that it never asked for.

It matters when the machine goes back to a snapshot under emulation: the processor's clock jumps,
the kernel counts the jump as time that the running process has used, and if that is the daemon, it
gets no turn until we have used as much.
"""


class Connection:
    """One connection through the proxy."""

    def __init__(self, stream: int, mode: Mode, length: int) -> None:
        self.stream, self.mode, self.length = stream, mode, length
        self.checker = Checker(stream)
        self.sent = 0
        self.flowing = False

    async def run(self, socks_port: int, host: str, port: int) -> None:
        began = time.monotonic()
        try:
            reader, writer = await connect(socks_port, host, port)
        except (RefusedError, OSError, EOFError) as error:
            reply = error.reply if isinstance(error, RefusedError) else repr(error)
            self.tell("refused", reply=reply, seconds=round(time.monotonic() - began, 3))
            return
        self.tell("connected", seconds=round(time.monotonic() - began, 3))
        try:
            writer.write(HEADER.pack(self.mode.value, self.stream, self.length))
            how = await self.exchange(reader, writer)
        except TimeoutError:
            how = "timeout"
        except OSError:
            how = "reset"
        finally:
            writer.close()
        checker = self.checker
        self.tell("ended", how=how, received=checker.received, sent=self.sent, wrong=checker.wrong)

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        if self.mode is Mode.DOWN:
            await self.receive(reader)
        elif self.mode is Mode.UP:
            return await self.upload(reader, writer)
        else:
            sending = asyncio.create_task(self.send(writer, upward(self.stream)))
            try:
                await self.receive(reader)
                if self.length:
                    await sending
            finally:
                sending.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await sending
        return "eof"

    async def receive(self, reader: asyncio.StreamReader) -> None:
        while data := await asyncio.wait_for(reader.read(BLOCK), SILENCE):
            self.checker.take(data)
            if self.checker.received >= FLOWING and not self.flowing:
                self.flowing = True
                self.tell("flowing")

    async def send(self, writer: asyncio.StreamWriter, stream: int) -> None:
        while not self.length or self.sent < self.length:
            size = min(BLOCK, self.length - self.sent) if self.length else BLOCK
            writer.write(pattern(stream, self.sent, size))
            await writer.drain()
            await asyncio.sleep(0)  # a drain without need to wait lets nobody else have a turn
            self.sent += size
        writer.write_eof()

    async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Send all, say end of data, and only then get an answer: a half-close at work."""
        await self.send(writer, self.stream)
        answer = await asyncio.wait_for(reader.read(), SILENCE)
        if answer != VERDICT.pack(self.sent, True):
            self.checker.wrong = f"the server's verdict on {self.sent} bytes was {answer!r}"
        return "eof"

    def tell(self, event: str, **details: object) -> None:
        print(json.dumps({"event": event, "stream": self.stream, **details}), flush=True)


async def connect(
    socks_port: int, host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection through the proxy; RefusedError if it is refused."""
    sock = socket.socket()
    for direction in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        sock.setsockopt(socket.SOL_SOCKET, direction, KERNEL_BUFFER)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", socks_port))
    reader, writer = await asyncio.open_connection(sock=sock)
    async with asyncio.timeout(SILENCE):
        await socks_async.greet(reader, writer)
    writer.write(encode_request((host, port)))
    async with asyncio.timeout(SILENCE):
        answer = await socks_async.read_answer(reader)
    if answer.reply is not Reply.SUCCEEDED:
        writer.close()
        raise RefusedError(answer.reply)
    return reader, writer


async def main() -> int:
    socks_port, host, port, mode, connections, length, first = sys.argv[1:]
    all_of_them = [
        Connection(int(first) + i, Mode[mode], int(length)) for i in range(int(connections))
    ]
    await asyncio.gather(*(one.run(int(socks_port), host, int(port)) for one in all_of_them))
    return 9 if any(one.checker.wrong for one in all_of_them) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
