"""All machines of one daemon, each with its session, policy, limits and part of the pool.

A machine comes with the configuration, or is found by an origin; it goes in the same way. What
happens to one of them doesn't stop the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from vsocks.aio.tasks import Tasks, cancel
from vsocks.channel.lock import ChannelLock
from vsocks.errors import UsageError, VsocksError, describe
from vsocks.host.config import NEEDS_RESTART
from vsocks.host.daemon import Host
from vsocks.mux.buffers import CommonPool
from vsocks.mux.machine_log import log_of
from vsocks.mux.trace import Trace
from vsocks.protocol.handshake import Offer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from vsocks.channel import ChannelSource
    from vsocks.channel.spec import ChannelSpec
    from vsocks.host.config import HostConfig

log = logging.getLogger(__name__)

#: Seconds between looks for machines that have come or gone.
_LOOK_EVERY: Final = 1.0
#: Seconds until a machine that could not be served is tried again.
_RETRY: Final = 5.0
#: What a machine needs that will be found, beside its connections.
_OTHER_DESCRIPTORS: Final = 544
#: What of a Machine only another one can have.
_NEEDS_ANOTHER: Final = ("channel", "trace", "hold")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that is to be served; its name is the configuration's."""

    channel: ChannelSpec
    config: HostConfig
    #: Where its trace is written, if anywhere.
    trace: Path | None = None
    #: Whether somebody keeps its channel open when the daemon is killed.
    hold: bool = True

    @property
    def name(self) -> str:
        """Unique in a daemon."""
        return self.config.name

    def can_become(self, other: Machine) -> bool:
        """Whether a running Host can be told to do as ``other`` says."""
        return all(getattr(self, what) == getattr(other, what) for what in _NEEDS_ANOTHER) and all(
            getattr(self.config, what) == getattr(other.config, what) for what in NEEDS_RESTART
        )


class Origin(Protocol):
    """Where machines come from that nobody has listed: start(), then find(), close() at the end."""

    async def start(self) -> None:
        """Begin to look. Raises ModuleNotFoundError if a package is missing."""

    async def close(self) -> None:
        """Look no more, if it has begun."""

    def find(self) -> Iterable[Machine]:
        """Those that are there now; asked once a second, and after look()."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a daemon for several machines is to do."""

    machines: tuple[Machine, ...]
    origins: tuple[Origin, ...] = ()
    #: Machines at once.
    most: int = 256
    #: Connections of all machines at once.
    connections: int = 2048
    #: Whether a reload ends the connections that its rules forbid.
    ends_forbidden: bool = False

    @property
    def descriptors(self) -> int:
        """The most that they need."""
        others = [machine.config.other_descriptors for machine in self.machines]
        to_come = self.most - len(others) if self.origins else 0
        return self.connections + sum(others) + to_come * max(others, default=_OTHER_DESCRIPTORS)


class Machines:
    """The daemon for several machines: start(), then run() until cancelled."""

    def __init__(
        self,
        setup: Setup,
        read: Callable[[], Setup],
        open_channel: Callable[[Machine], ChannelSource],
    ) -> None:
        """``read`` reads the configuration anew; it raises UsageError if that is wrong."""
        self._setup = setup
        self._read = read
        self._open_channel = open_channel
        self._common = CommonPool(setup.connections, Offer().window, setup.most)
        self._served: dict[str, _Served] = {}
        self._left_out: set[str] = set()
        self._tasks = Tasks()
        self._changing = asyncio.Lock()
        self._look = asyncio.Event()
        self.descriptors = setup.descriptors
        self.means = (
            f"{len(setup.machines)} machines, {setup.most} at most, {setup.connections} "
            f"connections in {self._common.pool.bytes >> 20} MiB at most, "
            f"{self._common.least} of them for each machine in any case"
        )

    # -- what there is ---------------------------------------------------------------------

    @property
    def machines(self) -> Mapping[str, Machine]:
        """Those that are served, by their names."""
        return {name: served.machine for name, served in self._served.items()}

    @property
    def hosts(self) -> Mapping[str, Host]:
        """The daemons of those that run, by the machines' names."""
        return {each.name: each.host for each in self._served.values() if each.host is not None}

    @property
    def channels(self) -> Mapping[str, str]:
        """The channels of all that are served, by their names."""
        return {each.name: str(each.machine.channel) for each in self._served.values()}

    @property
    def problems(self) -> Mapping[str, str]:
        """Why some of them don't run."""
        return {each.name: each.problem for each in self._served.values() if each.problem}

    # -- its life --------------------------------------------------------------------------

    async def start(self) -> None:
        """Nothing that could fail: each machine is started by itself."""

    async def run(self) -> None:
        """Serve until cancelled; connections are reset then."""
        try:
            await _start(self._setup.origins)
            while True:
                self._look.clear()
                async with self._changing:
                    await self._settle()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY if self._setup.origins else None):
                        await self._look.wait()
        finally:
            await self._tasks.cancel()
            await cancel(*(served.task for served in self._served.values()))
            await _close(self._setup.origins)

    async def goodbye(self) -> None:
        """Tell all guests that the daemon ends."""
        await asyncio.gather(*(host.goodbye() for host in self.hosts.values()))

    # -- changes ---------------------------------------------------------------------------

    def look(self) -> None:
        """Ask the origins soon: something may have changed."""
        self._look.set()

    def on_hangup(self) -> None:
        """SIGHUP: reload; the log says how that went."""

        async def reload() -> None:
            with contextlib.suppress(UsageError):
                await self.reload()

        self._tasks.start(reload())

    async def reload(self) -> None:
        """Go on in new audits, read the configuration anew and do as it says.

        No connection that it allows is cut. Raises UsageError if it is wrong; the old one stays in
        force then.
        """
        for host in self.hosts.values():
            host.reopen_audit()
        async with self._changing:
            before = self._setup
            try:
                setup = self._read()
                await _start(setup.origins)
            except (UsageError, ModuleNotFoundError) as error:
                log.error("the old configuration stays in force: %s", describe(error))
                raise UsageError(describe(error)) from None
            if (setup.most, setup.connections) != (before.most, before.connections):
                log.warning("max-machines and max-connections stay as they are until a restart")
            self._setup = replace(setup, most=before.most, connections=before.connections)
            # The new ones have been started before, so that they know what the old ones knew.
            await _close(before.origins)
            await self._settle()
        log.info("configuration read anew: %d machines", len(self._served))

    async def _settle(self) -> None:
        """Serve those that are wanted, as they are wanted."""
        wanted = self._wanted()
        for name, machine in wanted.items():
            served = self._served.get(name)
            if served is not None and served.machine.can_become(machine):
                # After a reload all of them differ, by their policies: what could not be had then
                # is tried again.
                if served.machine != machine:
                    await self._change(served, machine)
                served.machine = machine
        await asyncio.gather(
            *(
                self._remove(name, "its channel changes" if name in wanted else "it is gone")
                for name, served in self._served.items()
                if served.machine is not wanted.get(name)
            )
        )
        for name, machine in wanted.items():
            if name not in self._served:
                self._served[name] = _Served(machine)
                self._served[name].task = asyncio.create_task(self._serve(self._served[name]))

    def _wanted(self) -> dict[str, Machine]:
        wanted: dict[str, Machine] = {}
        left_out: set[str] = set()
        found = (machine for origin in self._setup.origins for machine in origin.find())
        for machine in (*self._setup.machines, *found):
            if len(wanted) < self._setup.most:
                wanted.setdefault(machine.name, machine)
            elif machine.name not in wanted:
                left_out.add(machine.name)
        if new := left_out - self._left_out:
            log.warning(
                "%d machines are left out, %s for one: max-machines is %d",
                len(left_out),
                min(new),
                self._setup.most,
            )
        self._left_out = left_out
        return wanted

    async def _change(self, served: _Served, machine: Machine) -> None:
        if served.host is not None:
            await served.host.reconfigure(machine.config, ends_forbidden=self._setup.ends_forbidden)

    async def _remove(self, name: str, why: str) -> None:
        served = self._served[name]
        log_of(name).info("no longer served: %s", why)
        if served.host is not None:
            await served.host.goodbye()
        await cancel(served.task)
        del self._served[name]

    # -- one machine -----------------------------------------------------------------------

    async def _serve(self, served: _Served) -> None:
        """Serve it until cancelled, whatever happens."""
        machine_log = log_of(served.machine.name)
        while True:
            try:
                await self._serve_once(served)
            except VsocksError as error:
                problem = describe(error)
                if problem != served.problem:
                    machine_log.error("%s", problem)
                served.problem = problem
            except Exception:
                machine_log.exception("a fault while the machine was served")
            await asyncio.sleep(_RETRY)

    async def _serve_once(self, served: _Served) -> None:
        machine = served.machine
        source = self._open_channel(machine)
        lock = ChannelLock("host", machine.channel)
        try:
            trace = Trace.open(machine.trace) if machine.trace is not None else None
            host = Host(replace(machine.config, trace=trace), source, self._common)
            await host.start()
            served.host, served.problem = host, ""
            if served.machine != machine:
                await self._change(served, served.machine)
            await host.run()
        finally:
            served.host = None
            lock.close()


async def _start(origins: Iterable[Origin]) -> None:
    for origin in origins:
        await origin.start()


async def _close(origins: Iterable[Origin]) -> None:
    for origin in origins:
        await origin.close()


class _Served:
    """A machine that is served, by a task, and its daemon if that runs."""

    task: asyncio.Task[None]

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.host: Host | None = None
        #: Why it can't be served, as it was said last.
        self.problem = ""

    @property
    def name(self) -> str:
        """What it is called, or its channel if it has no name."""
        return self.machine.name or str(self.machine.channel)
