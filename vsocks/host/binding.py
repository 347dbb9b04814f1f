"""Waiting for a target to connect (SOCKS BIND): one connection, from the address that is expected.

Active FTP is the main use: the server connects back to the client. It is off unless --allow-bind
says at which of its addresses the host may listen.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from vsocks.address import Target, target_of
from vsocks.aio.socket_options import new_datagram_socket, new_listener, set_up_stream
from vsocks.errors import describe
from vsocks.reply import DialError, Reply, reply_for_error

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from vsocks.address import IPAddress
    from vsocks.aio.reactor import Watch
    from vsocks.host.dial import Dialer
    from vsocks.mux.incoming import Connected
    from vsocks.mux.relay import Relay

_BACKLOG: Final = 4


class Binder:
    """Waits at ``address`` for targets that the policy permits, ``timeout`` seconds for each."""

    def __init__(self, address: str | None, dialer: Dialer, timeout: float) -> None:
        self._address = address
        self._dialer = dialer
        self._timeout = timeout

    def begin(self, target: Target, relay: Relay, done: Connected) -> Watch:
        """Begin to wait; ``done`` gets the connection and the address it came from."""
        return _Waiting(lambda: self.wait_for(target, relay), done)

    async def wait_for(self, target: Target, relay: Relay) -> tuple[socket.socket, Target]:
        """The connection from ``target``, and the address it came from. Raises DialError.

        The port of ``target`` is ignored: nobody knows from which port it will connect. Other
        connections are closed.
        """
        if self._address is None:
            reason = f"listening for {target}: it is off; --allow-bind turns it on"
            raise DialError(Reply.NOT_ALLOWED, reason, rule="built-in: BIND is off")
        expected = await self._dialer.addresses(target)
        try:
            with new_listener(self._address, 0, _BACKLOG) as listener:
                relay.announce(_where(listener, expected))
                async with asyncio.timeout(self._timeout):
                    return await _accept_from(listener, expected)
        except TimeoutError:
            reason = f"listening for {target}: nobody came within {self._timeout:g} s"
            raise DialError(Reply.TTL_EXPIRED, reason) from None
        except OSError as error:
            reason = f"listening for {target}: {describe(error)}"
            raise DialError(reply_for_error(error), reason) from None


class _Waiting:
    """The task that waits."""

    def __init__(
        self,
        wait: Callable[[], Coroutine[None, None, tuple[socket.socket, Target]]],
        done: Connected,
    ) -> None:
        self._task = asyncio.get_running_loop().create_task(self._wait(wait, done))

    async def _wait(
        self,
        wait: Callable[[], Coroutine[None, None, tuple[socket.socket, Target]]],
        done: Connected,
    ) -> None:
        try:
            outcome = await wait()
        except DialError as error:
            done(error)
        else:
            done(outcome)

    def close(self) -> None:
        """Stop waiting."""
        self._task.cancel()


async def _accept_from(
    listener: socket.socket, expected: Collection[IPAddress]
) -> tuple[socket.socket, Target]:
    loop = asyncio.get_running_loop()
    while True:
        connection, address = await loop.sock_accept(listener)
        came = target_of(address)
        if came.ip in expected:
            set_up_stream(connection)
            return connection, came
        connection.close()
        await asyncio.sleep(0)


def _where(listener: socket.socket, expected: Collection[IPAddress]) -> Target:
    """The address at which the expected target finds the listener.

    If it listens on all addresses: the one from which this machine would reach the target.
    """
    host, port = listener.getsockname()[:2]
    if ip_address(host).is_unspecified:
        for ip in expected:
            if (ip.version == 6) == (listener.family == socket.AF_INET6):
                with new_datagram_socket(listener.family) as probe:
                    probe.connect((str(ip), port))
                    return Target(probe.getsockname()[0], port)
    return Target(host, port)
