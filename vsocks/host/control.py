"""Carries out what is asked of a host daemon through its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING, Protocol

from vsocks import __version__
from vsocks.address import Target, format_host_port, loopback_or, parse_host_port
from vsocks.control import messages
from vsocks.errors import UnavailableError, UsageError, describe
from vsocks.host.forwards import parse_forward
from vsocks.reply import DialError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from vsocks.control.messages import Item, Request
    from vsocks.host.daemon import Host
    from vsocks.host.ledger import Entry

#: Items told in one go; then others have their turns.
_AT_ONCE = 64
#: Bytes of a metrics item.
_PIECE = 16 * 1024


class Fleet(Protocol):
    """The machines of a daemon."""

    @property
    def channels(self) -> Mapping[str, str]:
        """The channels of those that are served, by their names."""

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The daemons of those that run, by the machines' names."""

    @property
    def problems(self) -> Mapping[str, str]:
        """Why some of them don't run."""

    async def reload(self) -> None:
        """Do what SIGHUP does. Raises UsageError if that can't be done."""


class OnlyMachine:
    """The fleet of a daemon that serves one machine."""

    def __init__(self, host: Host) -> None:
        self._host = host

    @property
    def channels(self) -> Mapping[str, str]:
        """Its channel, which is its name, too."""
        return {self._host.name: self._host.name}

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The host itself."""
        return {self._host.name: self._host}

    @property
    def problems(self) -> Mapping[str, str]:
        """None: the daemon ends when it doesn't run."""
        return {}

    async def reload(self) -> None:
        """Open the audit anew."""
        self._host.on_hangup()


class Control:
    """Answers requests about a fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._began = time.monotonic()

    async def answer(self, request: Request) -> AsyncGenerator[Item, None]:
        """The items of the answer. Raises VsocksError if it can't be done."""
        match request:
            case messages.Status():
                items = self._status()
            case messages.Connections(machine):
                items = self._connections(machine)
            case messages.ListForwards(machine):
                items = self._forwards(machine)
            case messages.Metrics():
                async with contextlib.aclosing(self._metrics()) as lines:
                    async for item in lines:
                        yield item
                return
            case messages.Check(target, machine):
                items = iter(await self._check(target, machine))
            case messages.Close(number):
                items = self._close(number)
            case messages.Reload():
                await self._fleet.reload()
                return
            case messages.AddForward(forward, machine):
                items = iter([self._add_forward(forward, machine)])
            case messages.RemoveForward(listen, machine):
                items = iter([await self._remove_forward(listen, machine)])
        for number, item in enumerate(items, 1):
            yield item
            if not number % _AT_ONCE:
                await asyncio.sleep(0)

    # -- which machine ---------------------------------------------------------------------

    def _running(self, name: str | None) -> tuple[str, Host]:
        """The machine of that name, or the only one. Raises VsocksError."""
        channels = self._fleet.channels
        if name is None:
            if len(channels) != 1:
                raise UsageError(f"which of {len(channels)} machines? {_listed(channels)}")
            [name] = channels
        host = self._fleet.hosts.get(name)
        if name not in channels:
            raise UnavailableError(f"no machine is called '{name}': {_listed(channels)}")
        if host is None:
            why = self._fleet.problems.get(name, "it is being started")
            raise UnavailableError(f"the machine '{name}' isn't served now: {why}")
        return name, host

    def _those(self, name: str | None) -> Mapping[str, Host]:
        """The machine of that name, or all. Raises VsocksError."""
        return dict([self._running(name)]) if name is not None else self._fleet.hosts

    # -- what there is ---------------------------------------------------------------------

    def _status(self) -> Iterator[Item]:
        yield messages.Daemon(__version__, os.getpid(), _seconds(time.monotonic() - self._began))
        hosts = self._fleet.hosts
        for name, channel in self._fleet.channels.items():
            host = hosts.get(name)
            if host is None:
                yield messages.Machine(name, channel, False, None, 0, 0, 0)
                continue
            _, stood = host.link.session
            moved = host.ledger.moved().values()
            yield messages.Machine(
                name,
                channel,
                host.link.channel_open,
                _seconds(stood) if host.link.has_session else None,
                len(host.ledger),
                sum(sent for sent, _ in moved),
                sum(received for _, received in moved),
            )

    def _connections(self, machine: str | None) -> Iterator[Item]:
        for name, host in self._those(machine).items():
            for entry in host.ledger.entries:
                yield _connection(name, entry)

    def _forwards(self, machine: str | None) -> Iterator[Item]:
        for name, host in self._those(machine).items():
            for listen, forward in host.forwards.listening.items():
                yield messages.Forward(name, format_host_port(*listen), str(forward.target))

    async def _metrics(self) -> AsyncGenerator[Item, None]:
        try:
            from vsocks.host.metrics import metrics
        except ModuleNotFoundError:
            package = "the Python package prometheus-client isn't installed where the daemon runs"
            raise UnavailableError(package) from None
        async with contextlib.aclosing(metrics(self._fleet.channels, self._fleet.hosts)) as texts:
            async for text in texts:
                for piece in _pieces(text):
                    yield messages.MetricsText(piece)

    async def _check(self, text: str, machine: str | None) -> list[Item]:
        name, host = self._running(machine)
        try:
            target = Target(*parse_host_port(text))
        except ValueError as error:
            raise UsageError(f"'{text}' is not NAME:PORT or ADDR:PORT: {describe(error)}") from None
        try:
            verdicts = await host.dialer.explain(target)
        except DialError as error:
            raise UnavailableError(f"no rule denies the name, but {error.reason}") from None
        asked = None if target.ip is not None else target.host
        return [
            messages.Judgement(
                name,
                asked,
                None if ip is None else str(ip),
                target.port,
                verdict.allowed,
                verdict.rule,
            )
            for ip, verdict in verdicts
        ]

    # -- what is to be done ----------------------------------------------------------------

    def _close(self, number: int) -> Iterator[Item]:
        for name, host in self._fleet.hosts.items():
            entry = host.ledger.find(number)
            if entry is not None and entry.mover is not None:
                told = _connection(name, entry)
                entry.mover.abort("vsocks close")
                return iter([told])
        raise UnavailableError(f"no connection has the id {number}: see vsocks connections")

    def _add_forward(self, text: str, machine: str | None) -> Item:
        name, host = self._running(machine)
        try:
            forward = parse_forward(text)
        except ValueError as error:
            form = "[ADDR:]PORT:GUESTADDR:GUESTPORT"
            raise UsageError(f"'{text}' is not {form}: {describe(error)}") from None
        if forward in host.forwards:
            raise UnavailableError(f"'{text}' is forwarded already")
        address = host.forwards.add(forward)
        return messages.Forward(name, format_host_port(*address), str(forward.target))

    async def _remove_forward(self, text: str, machine: str | None) -> Item:
        name, host = self._running(machine)
        try:
            ours = loopback_or(text)
        except ValueError as error:
            raise UsageError(f"'{text}' is not [ADDR:]PORT: {describe(error)}") from None
        forward = host.forwards.listening.get((ours.host, ours.port))
        if forward is None:
            raise UnavailableError(f"{ours} isn't forwarded: see vsocks forward list")
        await host.forwards.remove(forward)
        return messages.Forward(name, str(ours), str(forward.target))


def _connection(machine: str, entry: Entry) -> messages.Connection:
    return messages.Connection(
        id=entry.id,
        machine=machine,
        kind=entry.kind.value,
        number=entry.mover.label if entry.mover is not None else "",
        target=_text(entry.target),
        address=_text(entry.address),
        client=_text(entry.client),
        connected=entry.is_connected,
        sent=entry.sent,
        received=entry.received,
        seconds=_seconds(entry.seconds),
    )


def _pieces(text: str) -> Iterator[str]:
    """The text, by whole lines that one item can hold."""
    while len(text) > _PIECE:
        end = text.rindex("\n", 0, _PIECE) + 1
        yield text[:end]
        text = text[end:]
    yield text


def _text(target: Target | None) -> str | None:
    return None if target is None else str(target)


def _seconds(value: float) -> float:
    return round(value, 3)


def _listed(names: Mapping[str, str]) -> str:
    """Some names, for an error."""
    some = ", ".join(list(names)[:8]) or "there is none"
    return some + (f" and {len(names) - 8} more" if len(names) > 8 else "")
