"""The client of `socks`, for an event loop: no step has a deadline but its caller's.

This file is copied into guests, too, so it needs nothing but the standard library.
"""

from __future__ import annotations

from asyncio import StreamReader, StreamWriter, open_connection

from tests.support.socks_messages import (
    ANSWER_START,
    CONNECT,
    GREETING,
    WELCOME,
    Address,
    Answer,
    RefusedError,
    Reply,
    decode_answer,
    encode_request,
    rest_of_answer,
)


async def greet(reader: StreamReader, writer: StreamWriter) -> None:
    """Agree on "no authentication"."""
    writer.write(GREETING)
    answer = await reader.readexactly(len(WELCOME))
    assert answer == WELCOME, f"the proxy chose {answer.hex()}"


async def read_answer(reader: StreamReader) -> Answer:
    """One whole answer, and not a byte of what comes after it."""
    start = await reader.readexactly(ANSWER_START)
    return decode_answer(start + await reader.readexactly(rest_of_answer(start)))


async def request(
    proxy: Address, target: Address, *, command: int = CONNECT, ahead: bytes = b""
) -> tuple[StreamReader, StreamWriter]:
    """A connection on which something has been asked for, and `ahead` been sent; no answer yet."""
    reader, writer = await open_connection(*proxy)
    await greet(reader, writer)
    writer.write(encode_request(target, command=command) + ahead)
    return reader, writer


async def connect(
    proxy: Address, target: Address, *, ahead: bytes = b""
) -> tuple[StreamReader, StreamWriter]:
    """A connection to `target` through `proxy`; RefusedError with the reply if it is refused."""
    reader, writer = await request(proxy, target, ahead=ahead)
    answer = await read_answer(reader)
    if answer.reply is not Reply.SUCCEEDED:
        writer.close()
        raise RefusedError(answer.reply)
    return reader, writer


async def ask(proxy: Address, target: Address) -> Reply:
    """Only the reply to a CONNECT; the connection, if there is one, is closed again."""
    try:
        _, writer = await connect(proxy, target)
    except RefusedError as refused:
        return refused.reply
    writer.close()
    return Reply.SUCCEEDED
