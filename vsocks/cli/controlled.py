"""A host daemon that can be asked while it runs, and what listens for that beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from vsocks.aio.tasks import run_until_first_ends
from vsocks.errors import UsageError
from vsocks.host.control import Control
from vsocks.host.control_socket import ControlConfig, ControlSocket
from vsocks.host.metrics_listener import MetricsListener

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from vsocks.cli.run import Daemon
    from vsocks.host.control import Fleet

#: Descriptors of a listener and its clients.
_DESCRIPTORS: Final = 32


class Beside(Protocol):
    """Something that listens."""

    def start(self) -> object:
        """Listen; raises VsocksError if it can't."""

    async def run(self) -> None:
        """Serve until cancelled."""

    def close(self) -> None:
        """Listen no more; for one that isn't run."""


def controlled(daemon: Daemon, fleet: Fleet, options: argparse.Namespace) -> Controlled:
    """A daemon with what the options want beside it, which tells of ``fleet``.

    Raises UsageError if they make no sense.
    """
    beside: list[Beside] = []
    if options.control is not None:
        config = ControlConfig(options.control, options.control_group)
        beside.append(ControlSocket(config, Control(fleet).answer))
    elif options.control_group is not None:
        raise UsageError("--control-group says who may use the --control PATH, which is missing")
    if options.metrics is not None:
        from vsocks.host.metrics import metrics

        beside.append(
            MetricsListener(options.metrics, lambda: metrics(fleet.channels, fleet.hosts))
        )
    return Controlled(daemon, beside)


class Controlled:
    """A Daemon: another one, and what listens beside it."""

    def __init__(self, daemon: Daemon, beside: Sequence[Beside]) -> None:
        self._daemon = daemon
        self._beside = beside
        self.descriptors = daemon.descriptors + _DESCRIPTORS * len(beside)
        self.means = daemon.means

    async def start(self) -> None:
        """Take what is needed; raises VsocksError if it can't be had."""
        try:
            for each in self._beside:
                each.start()
            await self._daemon.start()
        except BaseException:
            for each in self._beside:
                each.close()
            raise

    async def run(self) -> None:
        """Serve until cancelled."""
        await run_until_first_ends(self._daemon.run(), *(each.run() for each in self._beside))

    async def goodbye(self) -> None:
        """Tell the peer that the daemon ends."""
        await self._daemon.goodbye()

    def on_hangup(self) -> None:
        """SIGHUP."""
        self._daemon.on_hangup()
