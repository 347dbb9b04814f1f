"""Where a listener listens: at several addresses, and at all that a name has."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest

from tests.one_process.conftest import Run
from tests.one_process.pair import echo_server, pair
from tests.support import socks_async
from vsocks.aio.listener import Listener, ServedByTask
from vsocks.errors import UnavailableError
from vsocks.guest.daemon import GuestConfig
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

#: What the name "two.test" has: an IPv6 address that no machine has, and two of the loopback.
ADDRESSES = ["2001:db8::1", "127.0.0.1", "127.0.0.2", "127.0.0.1"]


@pytest.fixture
def two_test(monkeypatch: pytest.MonkeyPatch) -> str:
    """A name with several addresses, whatever the machine's own names are."""
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "two.test":
            return real(host, *arguments, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in ADDRESSES]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return "two.test"


async def _serve(connection: socket.socket) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, b"served")


def listener(*addresses: tuple[str, int]) -> Listener:
    return Listener(addresses, lambda client, gone: ServedByTask(client, _serve, gone), 4)


def test_all_addresses_of_a_name_have_one_port(two_test: str) -> None:
    listens = listener((two_test, 0))
    try:
        ports = re.fullmatch(r"127\.0\.0\.1:(\d+) and 127\.0\.0\.2:(\d+)", listens.start())
        assert ports
        assert ports[1] == ports[2] == str(listens.address[1])
    finally:
        listens.close()


def test_a_port_that_is_taken_at_one_of_a_names_addresses_is_an_error(two_test: str) -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=r"listen on two\.test"):
            listener((two_test, port)).start()
        # And nothing is left open at the other.
        socket.create_server(("127.0.0.1", port)).close()


def test_a_name_with_no_address_of_this_machine_is_an_error(
    two_test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ADDRESSES", ADDRESSES[:1])
    with pytest.raises(UnavailableError, match=r"listen on two\.test"):
        listener((two_test, 0)).start()


def test_a_second_address_that_can_not_be_had_frees_the_first() -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.2:{port}"):
            listener(("127.0.0.1", port), ("127.0.0.2", port)).start()
        socket.create_server(("127.0.0.1", port)).close()


def test_clients_are_served_at_each_address(run: Run[None]) -> None:
    async def serve() -> None:
        guest = GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0), ("127.0.0.2", 0)))
        async with pair(guest=guest) as both, echo_server() as target:
            for where in both.guest.addresses:
                reader, writer = await socks_async.connect(where, target)
                writer.write(where[0].encode())
                assert await reader.readexactly(len(where[0])) == where[0].encode()
                writer.close()
            assert len(both.guest.addresses) == 2

    run(serve())
