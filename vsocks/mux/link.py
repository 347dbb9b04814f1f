"""One channel <-> one session: opening, reading, writing, time, and beginning again.

The link owns the channel. It puts what comes out of it through the endpoint and tells the
switchboard; it never waits for a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vsocks.aio.tasks import run_until_first_ends
from vsocks.mux.connection import STAGING_SIZE, Transmitter
from vsocks.protocol.endpoint import Endpoint, EndpointConfig

if TYPE_CHECKING:
    from vsocks.channel import Channel, ChannelSource
    from vsocks.mux.switchboard import Switchboard

log = logging.getLogger(__name__)

#: Seconds between the attempts to open the channel.
_FIRST_RETRY: Final = 0.1
_LAST_RETRY: Final = 0.5
#: Seconds that a goodbye may take.
_GOODBYE_TIMEOUT: Final = 0.5
#: Seconds between looks at a stalled stream (original wire only).
_STALL_CHECK: Final = 0.5


class Link:
    """Keeps a session with the daemon at the other end of the channel."""

    def __init__(
        self,
        source: ChannelSource,
        config: EndpointConfig,
        switchboard: Switchboard,
    ) -> None:
        self._source = source
        self._config = config
        self._switchboard = switchboard
        self._endpoint: Endpoint | None = None
        self._staging = memoryview(bytearray(STAGING_SIZE))
        self._transmitter: Transmitter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_ending = False
        self._loop = asyncio.get_running_loop()

    # -- the channel -----------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the channel open and a session on it, until cancelled."""
        level, last_reason = logging.INFO, ""
        try:
            while True:
                log.log(level, "waiting for the channel %s", self._source.name)
                channel = await self._open()
                log.log(level, "channel open: %s", self._source.name)
                reason = "the daemon ends"
                try:
                    reason = await self._serve(channel)
                finally:
                    self._stop_timer()
                    self._transmitter = self._endpoint = None
                    self._switchboard.detach(reason)
                    await channel.close()
                # A channel that ends again and again before any session is told of once.
                in_vain = not self._switchboard.was_up and reason == last_reason
                level, last_reason = logging.DEBUG if in_vain else logging.INFO, reason
                log.log(level, "channel closed: %s", reason)
                if not self._switchboard.was_up:
                    await asyncio.sleep(_LAST_RETRY if in_vain else _FIRST_RETRY)
        finally:
            await self._source.close()

    async def goodbye(self) -> None:
        """Tell the peer that we end, if a session stands and the channel takes it soon."""
        if self._transmitter is None or not self._switchboard.goodbye("it is shutting down"):
            return
        self._is_ending = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_TIMEOUT):
                await self._transmitter.idle()

    async def _open(self) -> Channel:
        delay = _FIRST_RETRY
        last_problem = ""
        while True:
            try:
                return await self._source.open()
            except OSError as error:
                problem = _problem(error)
            if problem != last_problem:
                log.info("the channel isn't there yet: %s", problem)
                last_problem = problem
            await asyncio.sleep(delay)
            delay = min(_LAST_RETRY, delay * 2)

    async def _serve(self, channel: Channel) -> str:
        """Run one opening of the channel to its end; returns why it ended."""
        offer = self._config.offer
        offer = replace(offer, max_frame=min(offer.max_frame, self._source.max_frame))
        config = replace(self._config, offer=offer)
        endpoint = self._endpoint = Endpoint(config, self._loop.time())
        switchboard = self._switchboard
        transmitter = Transmitter(channel, endpoint, self._staging, switchboard.on_framed)
        self._transmitter = transmitter
        switchboard.attach(endpoint, transmitter, self._arm_timer)
        switchboard.dispatch(endpoint.start())
        switchboard.flush()
        try:
            await run_until_first_ends(self._read(channel, endpoint), transmitter.run())
        except OSError as error:
            return _problem(error)
        return "it ended"

    async def _read(self, channel: Channel, endpoint: Endpoint) -> None:
        switchboard = self._switchboard
        while size := await channel.read_into(endpoint.buffer()):
            if self._is_ending:
                continue  # the peer has begun a handshake with whoever comes after us
            switchboard.dispatch(endpoint.received(size, self._loop.time()))
            switchboard.flush()
            while endpoint.is_stalled or endpoint.has_more:
                await (self._wait_for_room() if endpoint.is_stalled else asyncio.sleep(0))
                switchboard.dispatch(endpoint.received(0, self._loop.time()))
                switchboard.flush()
        raise ConnectionResetError(errno.ECONNRESET, "the other end of the channel has gone")

    async def _wait_for_room(self) -> None:
        room_made = self._switchboard.room_made
        room_made.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STALL_CHECK):
                await room_made.wait()

    # -- time ------------------------------------------------------------------------------

    def _arm_timer(self) -> None:
        """Be called when the endpoint asks for it, or earlier: re-arming each time would cost."""
        when = self._endpoint.next_poll if self._endpoint else None
        if when is None or (self._timer is not None and self._timer.when() <= when):
            return
        if self._transmitter and self._transmitter.is_blocked and when <= self._loop.time():
            return  # it is due, and goes as soon as the channel takes bytes again
        self._stop_timer()
        self._timer = self._loop.call_at(when, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._endpoint is not None:
            self._switchboard.dispatch(self._endpoint.poll(self._loop.time()))
            self._switchboard.flush()
            self._arm_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _problem(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
