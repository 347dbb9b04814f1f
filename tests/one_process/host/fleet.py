"""Machines of one daemon, each joined to a guest, in one event loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from tests.one_process.conftest import running, until
from tests.one_process.pair import LOOPBACK, HandedSource, join
from vsocks.channel.spec import parse_spec
from vsocks.errors import UsageError
from vsocks.guest.daemon import Guest, GuestConfig
from vsocks.host.config import HostConfig
from vsocks.host.machines import Machine, Machines, Setup
from vsocks.policy.policy import Policy
from vsocks.protocol.endpoint import Wire


class Fleet:
    """The daemon, what its file says next, and the guests' ways in."""

    def __init__(self, folder: Path, *names: str) -> None:
        self._folder = folder
        self._ends: dict[str, HandedSource] = {}
        self.proxies: dict[str, tuple[str, int]] = {}
        self.guests: dict[str, Guest] = {}
        self.setup = Setup(tuple(map(self.machine, names)))
        self.is_wrong = False
        self.machines = Machines(self.setup, self._read, self._open)

    def machine(self, name: str, policy: Policy = LOOPBACK) -> Machine:
        config = HostConfig(Wire.AUTO, policy, name=name)
        return Machine(parse_spec(f"unix:{self._folder}/{name}"), config, hold=False)

    def say(self, *machines: Machine) -> None:
        """What the file is to say."""
        self.setup = replace(self.setup, machines=machines)

    def join(self, name: str) -> None:
        """Give the machine's guest and its host a channel."""
        join(self._sources[name], self._ends[name])

    def _read(self) -> Setup:
        if self.is_wrong:
            raise UsageError("the file is wrong")
        return self.setup

    def _open(self, machine: Machine) -> HandedSource:
        source = self._ends[machine.name] = HandedSource()
        return source

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Every machine has a session when the body begins."""
        self._sources = {name: HandedSource() for name in self.names}
        config = GuestConfig(Wire.AUTO, listen=(("127.0.0.1", 0),))
        async with contextlib.AsyncExitStack() as stack:
            await self.machines.start()
            await stack.enter_async_context(running(self.machines.run()))
            for name, source in self._sources.items():
                guest = self.guests[name] = Guest(config, source)
                await guest.start()
                self.proxies[name] = guest.address
                await stack.enter_async_context(running(guest.run()))
                await self.up(name)
            yield

    async def up(self, name: str) -> None:
        """Join it, and wait for its session."""
        await until(lambda: name in self.machines.hosts)
        self.join(name)
        await until(lambda: self.guests[name].has_session)
        await until(lambda: self.machines.hosts[name].link.has_session)

    @property
    def names(self) -> list[str]:
        return [machine.name for machine in self.setup.machines]
