"""Running a daemon from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import tracemalloc
from typing import TYPE_CHECKING, Final, Protocol

from vsocks import __version__
from vsocks.aio import pending_io, service_manager
from vsocks.aio.current import reactor
from vsocks.aio.loops import loop_factory, loop_name
from vsocks.aio.tasks import cancel
from vsocks.aio.watchdog import feed_watchdog
from vsocks.cli.limits import renounce_privileges, take_descriptors
from vsocks.errors import VsocksError, describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

log = logging.getLogger(__name__)

#: Seconds that the system gets to end what was cancelled.
_LAST_OPERATIONS: Final = 0.5


class Daemon(Protocol):
    """What both daemons have in common."""

    #: The most descriptors that it holds at once, and what it has given itself, for people.
    descriptors: int
    means: str

    async def start(self) -> None:
        """Take what is needed; raises VsocksError if it can't be had."""

    async def run(self) -> None:
        """Serve until cancelled."""

    async def goodbye(self) -> None:
        """Tell the peer that the daemon ends."""

    def on_hangup(self) -> None:
        """SIGHUP: a terminal has closed, or files are to be read or opened anew."""


def run_until_signal(make: Callable[[], Daemon]) -> None:
    """Run a daemon until SIGINT or SIGTERM (on Windows Ctrl-C or Ctrl-Break)."""
    if os.environ.get("VSOCKS_TRACE_MEMORY"):
        tracemalloc.start()

    async def serve_until_signal() -> None:
        stopping = asyncio.Event()
        _on_signals(stopping)
        failure: Exception | None = None
        try:
            await serve(make, stopping)
        except Exception as error:
            failure = error
        if not await pending_io.have_ended(within=_LAST_OPERATIONS):
            _end_process(failure)
        if failure is not None:
            raise failure

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve_until_signal())


async def serve(
    make: Callable[[], Daemon],
    stopping: asyncio.Event,
    on_started: Callable[[], None] = lambda: None,
) -> None:
    """Run a daemon until it fails or ``stopping`` is set; raises VsocksError if it can't start."""
    log.debug("vsocks %s, event loop: %s", __version__, loop_name())
    daemon = make()
    await daemon.start()
    renounce_privileges()
    needed = daemon.descriptors
    log.info("ready for %s, %d of %d descriptors", daemon.means, needed, take_descriptors(needed))
    _on_hangup(daemon.on_hangup)
    on_started()
    service_manager.tell("READY=1", f"STATUS=ready for {daemon.means}")
    watchdog = asyncio.create_task(feed_watchdog())
    # What is there now stays: collections need not look through it, which takes milliseconds.
    gc.collect()
    gc.freeze()
    serving = asyncio.create_task(daemon.run())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    service_manager.tell("STOPPING=1", "STATUS=ending")
    if not serving.done():
        await daemon.goodbye()
        serving.cancel()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    finally:
        await cancel(watchdog)
        reactor().close()


def _end_process(failure: Exception | None) -> None:
    """End at once: asyncio would wait forever for a write that the host never reads.

    (IocpProactor.close(); the write of a virtio-serial port can't be cancelled.)
    """
    if isinstance(failure, VsocksError):
        log.error("%s", describe(failure))
    elif failure is not None:
        log.error("the daemon failed", exc_info=failure)
    log.warning("the host doesn't read; what was on its way to it is left to the system")
    logging.shutdown()
    os._exit(0 if failure is None else 1)


if sys.platform == "win32":

    def _on_signals(stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()

        def stop(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stopping.set)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK):
            signal.signal(number, stop)
        # asyncio has the interpreter wake the loop by a socket, too; we don't depend on that.
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)

    def _on_hangup(callback: Callable[[], None]) -> None:
        """Windows has no such signal."""

else:

    def _on_signals(stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopping.set)
        _on_hangup(lambda: None)
        # What other daemons take for a request must not end this one.
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            loop.add_signal_handler(number, log.info, "%s: it means nothing here", number.name)
        if tracemalloc.is_tracing():
            loop.add_signal_handler(signal.SIGUSR1, _log_traced_memory)

    def _on_hangup(callback: Callable[[], None]) -> None:
        """A terminal that closes, or a script that asks every daemon to read its files anew."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, callback)


def _log_traced_memory() -> None:
    gc.collect()
    log.info("traced memory: %d bytes", tracemalloc.get_traced_memory()[0])
