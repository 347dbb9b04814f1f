"""Look-ups by the system's resolver, for clients that want only the name or the address."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeVar

from vsocks.address import ascii_name, parse_ip
from vsocks.errors import BusyError, describe
from vsocks.reply import Reply, TargetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from vsocks.address import IPAddress
    from vsocks.host.resolve import Resolver
    from vsocks.policy.policy import Policy

T = TypeVar("T")
#: Characters; a name of so many can't be looked up.
_LONGER_THAN_ANY: Final = 256


class LookUpError(TargetError):
    """There is no answer about it."""


class LookUp:
    """Looks up what ``policy`` doesn't deny on all ports, each within ``timeout`` seconds."""

    def __init__(self, policy: Policy, resolver: Resolver, timeout: float = 10.0) -> None:
        self._policy = policy
        self._resolver = resolver
        self._timeout = timeout

    async def addresses(self, name: str) -> Sequence[IPAddress]:
        """The addresses of ``name``, at least one, best first. Raises LookUpError.

        They only inform the guest: what it then connects to is judged at that time.
        """
        # The name is the guest's: it may be of any length, and hold anything.
        name = name[:_LONGER_THAN_ANY]
        ip = parse_ip(name)
        if ip is not None:
            return [ip]
        try:
            name = ascii_name(name)
        except ValueError as error:
            raise LookUpError(Reply.HOST_UNREACHABLE, f"look-up: {describe(error)}") from None
        self._judge(name, name)
        infos = await self._bounded(name, self._resolver.resolve(name, 0))
        # Of a link-local address, the scope is this machine's.
        return list(dict.fromkeys(ip_address(info[4][0].partition("%")[0]) for info in infos))

    async def name_of(self, ip: IPAddress) -> str:
        """The name of an address. Raises LookUpError."""
        self._judge(ip.reverse_pointer, str(ip))
        return await self._bounded(str(ip), self._resolver.name_of(ip))

    def _judge(self, name: str, what: str) -> None:
        denial = self._policy.denies_look_up(name)
        if denial is not None:
            reason = f"look-up of {what}: {denial.reason}"
            raise LookUpError(Reply.NOT_ALLOWED, reason, rule=denial.rule)

    async def _bounded(self, what: str, look_up: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await look_up
        except BusyError as error:
            reason = f"look-up of {what}: {describe(error)}"
            raise LookUpError(Reply.GENERAL_FAILURE, reason) from None
        except TimeoutError:
            reason = f"look-up of {what}: no answer within {self._timeout:g} s"
            raise LookUpError(Reply.TTL_EXPIRED, reason) from None
        except socket.gaierror as error:
            reason = f"look-up of {what}: {describe(error)}"
            raise LookUpError(Reply.HOST_UNREACHABLE, reason) from None
