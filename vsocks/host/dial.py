"""Connecting to a target, if the policy permits.

look up the name (an address needs none) → judge each address → connect to those that are left.
The addresses that were judged are those that are dialled: there is no second look-up whose answer
might differ.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from aiohappyeyeballs import AddrInfoType, start_connection

from vsocks.address import IPAddress, Target, target_of
from vsocks.aio.reactor import NOTHING, Watch
from vsocks.aio.socket_options import new_stream
from vsocks.errors import BusyError, describe
from vsocks.host.own_address import is_own
from vsocks.host.resolve import Resolver, literal_info
from vsocks.mux.dial import Dial
from vsocks.mux.incoming import Connected
from vsocks.policy.policy import Policy, Verdict
from vsocks.reply import DialError, Reply, reply_for_error
from vsocks.token_bucket import TokenBucket

# When several addresses failed in several ways, the client gets the answer that says
# most: "refused" comes from the target itself, "no network" only from this machine.
_MOST_TELLING = (
    Reply.CONNECTION_REFUSED,
    Reply.TTL_EXPIRED,
    Reply.HOST_UNREACHABLE,
    Reply.NOT_ALLOWED,
    Reply.NETWORK_UNREACHABLE,
    Reply.GENERAL_FAILURE,
)


#: Addresses of a name that are tried beside each other, and names of which several are: what
#: connecting may hold of the process's descriptors.
AT_ONCE = 4
NAMES_AT_ONCE = 64


#: Addresses that the audit is told of a name that is not connected.
_ADDRESSES_TOLD = 16


class Dialer:
    """Dials what ``policy`` permits, each within ``timeout`` seconds, look-up included.

    If a name has several addresses, each has a head start of ``head_start`` seconds before the
    next (Happy Eyeballs, RFC 8305). At most ``max_addresses`` of each IP version are tried: a name
    with thousands of addresses would make one request a port scan. Each attempt but the first,
    which is the caller's to count, takes from ``attempts``.
    """

    def __init__(
        self,
        policy: Policy,
        resolver: Resolver,
        timeout: float = 10.0,
        head_start: float = 0.25,
        max_addresses: int = 8,
        *,
        attempts: TokenBucket | None = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._timeout = timeout
        self._head_start = head_start
        self._max_addresses = max_addresses
        self._attempts = attempts
        self._names_at_once = asyncio.Semaphore(NAMES_AT_ONCE)

    def reconfigure(self, policy: Policy, timeout: float, attempts: TokenBucket) -> None:
        """Do as these say, from the next step of each dial on."""
        self._policy = policy
        self._timeout = timeout
        self._attempts = attempts

    def forbids(self, target: Target, ip: IPAddress) -> DialError | None:
        """Why a connection that was asked for as ``target`` may not be to that address, if so."""
        verdict = self.verdict(target.host if target.ip is None else None, ip, target.port)
        if verdict.allowed:
            return None
        reason = f"{target}: {verdict.reason}"
        return DialError(Reply.NOT_ALLOWED, reason, rule=verdict.rule, address=str(ip))

    def begin(self, target: Target, done: Connected) -> Watch:
        """Begin to connect to ``target``; ``done`` gets the connection and our end of it."""
        ip = target.ip
        if ip is None:
            return _DialByName(self, target, done)
        try:
            self.judge(ip, target.port)
        except DialError as error:
            done(error)
            return NOTHING
        return Dial(target, ip, self._timeout, done)

    async def dial(self, target: Target) -> socket.socket:
        """A connected, non-blocking socket, which the caller owns. Raises DialError."""
        async with self._bounded(target) as doing:
            infos = await self._permitted(target)
            doing.what, doing.tried = "connecting", [info[4][0] for info in infos]
            return await self._connect(infos)

    async def addresses(self, target: Target) -> Sequence[IPAddress]:
        """The addresses of ``target`` that may be reached, at least one. Raises DialError."""
        async with self._bounded(target):
            infos = await self._permitted(target)
            # Of a link-local address, the scope is this machine's.
            return [ip_address(info[4][0].partition("%")[0]) for info in infos]

    async def explain(self, target: Target) -> Sequence[tuple[IPAddress | None, Verdict]]:
        """What the policy says to each address of ``target``; None stands for all that it may have.

        Raises DialError if its name can't be looked up.
        """
        ip = target.ip
        if ip is not None:
            return [(ip, self.verdict(None, ip, target.port))]
        denial = self._policy.denies_name(target.host, target.port)
        if denial is not None:
            return [(None, denial)]
        async with self._bounded(target):
            infos = await self._resolver.resolve(target.host, target.port)
        # Of a link-local address, the scope is this machine's.
        found = dict.fromkeys(ip_address(info[4][0].partition("%")[0]) for info in infos)
        return [(each, self.verdict(target.host, each, target.port)) for each in found]

    def judge(self, ip: IPAddress, port: int) -> None:
        """Raise DialError if that address may not be reached."""
        verdict = self.verdict(None, ip, port)
        if not verdict.allowed:
            reason = f"{Target(str(ip), port)}: {verdict.reason}"
            raise DialError(Reply.NOT_ALLOWED, reason, rule=verdict.rule, address=str(ip))

    def verdict(self, name: str | None, ip: IPAddress, port: int) -> Verdict:
        """The policy's, which also asks whether the address is this machine's if that matters."""
        verdict = self._policy.permits(name, ip, port)
        if verdict.allowed:
            if_own = self._policy.permits(name, ip, port, is_own=True)
            if not if_own.allowed and is_own(ip):
                return if_own
        return verdict

    @contextlib.asynccontextmanager
    async def _bounded(self, target: Target) -> AsyncIterator[_Doing]:
        """Bound the time and explain failures, by what is being done."""
        doing = _Doing()
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                yield doing
        except BusyError as error:
            raise DialError(Reply.GENERAL_FAILURE, f"{target}: {describe(error)}") from None
        except OSError as error:
            if deadline.expired():
                reason = f"{target}: no answer within {self._timeout:g} s of {doing.what}"
                tried = _listed(doing.tried)
                raise DialError(Reply.TTL_EXPIRED, reason, address=tried) from None
            raise _explained(target, error, doing.tried) from None

    async def _permitted(self, target: Target) -> Sequence[AddrInfoType]:
        """The addresses of ``target`` that may be dialled; at least one, or DialError."""
        ip = target.ip
        if ip is not None:
            self.judge(ip, target.port)
            return [literal_info(ip, target.port)]
        denial = self._policy.denies_name(target.host, target.port)
        if denial is not None:
            raise DialError(Reply.NOT_ALLOWED, f"{target}: {denial.reason}", rule=denial.rule)
        return self._permitted_of(target, await self._resolver.resolve(target.host, target.port))

    def _permitted_of(
        self, target: Target, infos: Sequence[AddrInfoType]
    ) -> Sequence[AddrInfoType]:
        permitted: list[AddrInfoType] = []
        denied: list[tuple[IPAddress, Verdict]] = []
        of_version: Counter[int] = Counter()
        for info in infos:
            ip = ip_address(info[4][0])
            verdict = self.verdict(target.host, ip, target.port)
            if not verdict.allowed:
                denied.append((ip, verdict))
            elif of_version[ip.version] < self._max_addresses:
                of_version[ip.version] += 1
                permitted.append(info)
        if not permitted:
            more = f" (and {len(denied) - 1} more)" if len(denied) > 1 else ""
            ip, verdict = denied[0]
            raise DialError(
                Reply.NOT_ALLOWED,
                f"{target}: {ip} {verdict.reason}{more}",
                rule=verdict.rule,
                address=_listed([str(ip) for ip, _ in denied]),
            )
        return permitted

    async def _connect(self, infos: Sequence[AddrInfoType]) -> socket.socket:
        if len(infos) > 1:
            async with self._names_at_once:
                return await self._connect_to_one_of(infos)
        sock = _new_socket(infos[0])
        try:
            await asyncio.get_running_loop().sock_connect(sock, infos[0][4])
        except BaseException:
            sock.close()
            raise
        return sock

    async def _connect_to_one_of(self, infos: Sequence[AddrInfoType]) -> socket.socket:
        """The first that answers, a few of them at once. Raises OSError with all that failed."""
        attempts, loop = self._attempts, asyncio.get_running_loop()
        is_first = True

        def next_socket(info: AddrInfoType) -> socket.socket:
            nonlocal is_first
            if not is_first and attempts and not attempts.take(now=loop.time()):
                raise OSError(errno.EAGAIN, "too many connects a second")
            is_first = False
            return _new_socket(info)

        errors: list[str] = []
        for at in range(0, len(infos), AT_ONCE):
            try:
                return await start_connection(
                    infos[at : at + AT_ONCE],
                    happy_eyeballs_delay=self._head_start,
                    socket_factory=next_socket,
                )
            except OSError as error:
                errors.append(str(error))
        raise OSError("; ".join(errors))


@dataclass(slots=True)
class _Doing:
    """What is being done, and the addresses that are tried."""

    what: str = "looking up its name"
    tried: list[str] = field(default_factory=list)


class _DialByName:
    """A dial that needs a look-up, done by a task."""

    def __init__(self, dialer: Dialer, target: Target, done: Connected) -> None:
        self._task = asyncio.get_running_loop().create_task(self._dial(dialer, target, done))

    async def _dial(self, dialer: Dialer, target: Target, done: Connected) -> None:
        try:
            connection = await dialer.dial(target)
        except DialError as error:
            done(error)
            return
        done((connection, target_of(connection.getsockname())))

    def close(self) -> None:
        """Give it up."""
        self._task.cancel()


def _listed(addresses: Sequence[str]) -> str | None:
    """The addresses for the audit; None if there are none."""
    if not addresses:
        return None
    more = len(addresses) - _ADDRESSES_TOLD
    return ", ".join(addresses[:_ADDRESSES_TOLD]) + (f" and {more} more" if more > 0 else "")


def _new_socket(info: AddrInfoType) -> socket.socket:
    return new_stream(info[0])


def _explained(target: Target, error: OSError, tried: Sequence[str] = ()) -> DialError:
    if isinstance(error, socket.gaierror):
        return DialError(reply_for_error(error), f"{target}: {describe(error)}")
    errors = _errors_in(error)
    replies = [reply_for_error(each) for each in errors]
    # In order and once each.
    reasons = dict.fromkeys(map(describe, errors))
    reason = f"{target}: {', '.join(reasons)}"
    return DialError(min(replies, key=_MOST_TELLING.index), reason, address=_listed(tried))


def _errors_in(error: OSError) -> list[OSError]:
    """The errors of all addresses that were tried.

    When they differ, aiohappyeyeballs raises one error without a number, and their
    numbers stand in its message only.
    """
    if error.errno is not None:
        numbers = [error.errno]
    else:
        numbers = [int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))]
    return [OSError(number, os.strerror(number)) for number in numbers] or [error]
