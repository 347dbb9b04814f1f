"""One UDP association: a socket each for IPv4 and IPv6; the policy decides on each address.

Answers come in only from addresses to which the guest has sent something on that association
(address-dependent filtering, RFC 4787, section 5): a socket open to the whole network would be a
way in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from vsocks.address import Target, target_of, unmapped
from vsocks.aio import pending_io
from vsocks.aio.current import reactor
from vsocks.aio.socket_options import bound_datagram_socket
from vsocks.aio.tasks import Tasks
from vsocks.errors import describe
from vsocks.host.audited_datagrams import AuditedAssociation
from vsocks.reply import DialError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vsocks.address import IPAddress
    from vsocks.host.audit import Audit
    from vsocks.host.dial import Dialer
    from vsocks.mux.buffers import Share

log = logging.getLogger(__name__)

#: Addresses and names that an association remembers.
_PEERS: Final = 256
_NAMES: Final = 64
#: Seconds for which the address of a name is used again without looking it up.
_NAME_SECONDS: Final = 30.0
#: Seconds that the system may take to end what was cancelled.
_LAST: Final = 5.0
#: Datagrams that wait for the address of their name.
_LOOK_UPS: Final = 16


class HostAssociation:
    """Sends and receives for one client in the guest; run() until it is over."""

    def __init__(
        self,
        number: int,
        deliver: Callable[[Target, memoryview], bool],
        pool: Share,
        dialer: Dialer,
        refused: Callable[[str], None],
        *,
        audit: Audit | None = None,
    ) -> None:
        """``deliver`` takes each datagram, valid during the call, and returns whether it could.

        Raises BusyError if the pool has no buffers, OSError if the system has no socket.
        """
        self.number = number
        self.label = f"a{number}"
        #: Bytes of datagrams that were passed on to the guest, and to the network.
        self.read = 0
        self.written = 0
        self._deliver = deliver
        self._dialer = dialer
        self._refused = refused
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        #: The addresses that may send to us, and how the guest writes them; the last used one is
        #: the last.
        self._peers: OrderedDict[IPAddress, IPAddress] = OrderedDict()
        #: (address, port) that the policy has allowed as such.
        self._allowed: OrderedDict[tuple[IPAddress, int], None] = OrderedDict()
        #: What names were found to be, and until when.
        self._names: OrderedDict[Target, tuple[IPAddress, float]] = OrderedDict()
        self._look_ups = Tasks()
        self._over = asyncio.Event()
        self._passed = 0
        self._dropped = 0
        self._has_run = False
        self._sockets = _bound_sockets()
        try:
            self._buffers = pool.take()
        except BaseException:
            self._close_sockets()
            raise
        self._audited: AuditedAssociation | None = None
        if audit is not None:
            self._audited = AuditedAssociation(audit, number, dialer.verdict)

    def send(self, target: Target, data: memoryview) -> None:
        """Send a datagram, if the policy permits; ``data`` is valid during the call only."""
        if (ip := target.ip) is not None:
            if self._permits(ip, target):
                self._send_to(ip, target, data)
        elif (ip := self._known(target)) is not None:
            # Allowed by its name, which the address alone may not be.
            self._send_to(ip, target, data)
        elif len(self._look_ups) < _LOOK_UPS:
            self._look_ups.start(self._look_up_and_send(target, bytes(data)))
        else:
            self.drop(target, f"{_LOOK_UPS} look-ups for datagrams are pending")

    def judge_anew(self, *, peers_too: bool) -> None:
        """Forget which addresses were allowed, and with ``peers_too`` who may send to us."""
        self._allowed.clear()
        self._names.clear()
        if peers_too:
            self._peers.clear()

    def drop(self, target: Target, why: str) -> None:
        """Count a datagram that is not sent, for a bound has been reached."""
        self._dropped += 1
        if self._audited is not None:
            self._audited.on_too_much(target, why)

    def end(self) -> None:
        """Have run() return."""
        self._over.set()

    def abort(self, reason: str) -> None:
        """The same; ``reason`` is for the log."""
        log.debug("%s: ended: %s", self.label, reason)
        self.end()

    def give_up(self) -> None:
        """Give back what it holds, if run() never began: its task may be cancelled before."""
        if not self._has_run:
            self._has_run = True
            self._close_sockets()
            if self._audited is not None:
                self._audited.on_over()
            self._pool.give_back(self._buffers)

    async def run(self, idle: float) -> None:
        """Receive until end(), or until it was idle for ``idle`` seconds."""
        self._has_run = True
        buffer = self._buffers.outbound
        share = len(buffer) // len(self._sockets)
        parts = [buffer[at * share : (at + 1) * share] for at in range(len(self._sockets))]
        receiving = [
            reactor().receive(sock, part, self._pass_on)
            for sock, part in zip(self._sockets.values(), parts, strict=True)
        ]
        try:
            await self._wait_for_end(idle)
        finally:
            # First what needs no waiting, in which this task may be cancelled (again).
            for each in receiving:
                each.close()
            self._close_sockets()
            if self._audited is not None:
                self._audited.on_over()
            await self._look_ups.cancel()
            log.debug("datagrams: %d passed on, %d dropped", self._passed, self._dropped)
            if all([await pending_io.have_ended(s, within=_LAST) for s in self._sockets.values()]):
                self._pool.give_back(self._buffers)

    # -- to the network --------------------------------------------------------------------

    def _known(self, target: Target) -> IPAddress | None:
        """The address that the name had a moment ago, and that was allowed on that port."""
        ip, until = self._names.get(target, (None, 0.0))
        return ip if until > self._loop.time() else None

    async def _look_up_and_send(self, target: Target, data: bytes) -> None:
        try:
            addresses = await self._dialer.addresses(target)
        except DialError as error:
            self._refuse(target, error)
            return
        except asyncio.CancelledError:
            if self._audited is not None:
                self._audited.on_unsent(target, "the association ended before its name was known")
            raise
        ip = next((each for each in addresses if each.version in self._sockets), addresses[0])
        _remember(self._names, target, (ip, self._loop.time() + _NAME_SECONDS), _NAMES)
        self._send_to(ip, target, memoryview(data))

    def _permits(self, ip: IPAddress, target: Target) -> bool:
        """Whether the policy permits it; a refusal is logged."""
        port = target.port
        try:
            if (ip, port) not in self._allowed:
                self._dialer.judge(ip, port)
        except DialError as error:
            self._refuse(target, error)
            return False
        _remember(self._allowed, (ip, port), None, _PEERS)
        return True

    def _send_to(self, ip: IPAddress, target: Target, data: memoryview) -> None:
        # A mapped address is the IPv4 one, as it is to the system when it connects.
        peer, port = unmapped(ip), target.port
        if self._audited is not None and not self._audited.may_send(peer, port):
            self.drop(target, "the audit can't be written")
            return
        _remember(self._peers, peer, ip, _PEERS)
        try:
            self._sockets[peer.version].sendto(data, (str(peer), port))
        except (OSError, KeyError) as error:
            # Full, too long, no such network or no IPv6: datagrams get lost.
            self._dropped += 1
            if self._audited is not None:
                why = describe(error) if isinstance(error, OSError) else "there is no IPv6 here"
                self._audited.on_unsent(target, why)
        else:
            self._passed += 1
            self.written += len(data)
            if self._audited is not None:
                name = target.host if target.ip is None else None
                self._audited.on_sent(peer, port, len(data), name)

    def _refuse(self, target: Target, error: DialError) -> None:
        self._dropped += 1
        if self._audited is not None:
            self._audited.on_refused(target, error)
        self._refused(f"datagram to {error.reason}")

    # -- to the guest ----------------------------------------------------------------------

    def _pass_on(self, data: memoryview, source: Any) -> None:
        came = sender = target_of(source)
        written = self._peers.get(sender.ip) if sender.ip is not None else None
        if written is not None and written != sender.ip:
            sender = Target(str(written), sender.port)
        if written is not None and self._deliver(sender, data):
            self._passed += 1
            self.read += len(data)
            if self._audited is not None and came.ip is not None:
                self._audited.on_received(came.ip, came.port, len(data))
        else:
            self._dropped += 1

    # -- endings ---------------------------------------------------------------------------

    async def _wait_for_end(self, idle: float) -> None:
        """Wait for end(), or until it was idle for ``idle`` seconds."""
        passed_before = -1
        while self._passed != passed_before:
            passed_before = self._passed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(idle):
                    await self._over.wait()
                    return

    def _close_sockets(self) -> None:
        for sock in self._sockets.values():
            sock.close()


def _bound_sockets() -> dict[int, socket.socket]:
    """A socket for each version of IP that this machine has; raises OSError without IPv4."""
    sockets = {4: bound_datagram_socket(socket.AF_INET, ("0.0.0.0", 0))}  # noqa: S104 - answers may come to any
    with contextlib.suppress(OSError):
        sockets[6] = bound_datagram_socket(socket.AF_INET6, ("::", 0))
    return sockets


def _remember(memory: OrderedDict[Any, Any], key: object, value: object, limit: int) -> None:
    """Keep an entry as the newest one, and forget the oldest beyond ``limit``."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > limit:
        memory.popitem(last=False)
