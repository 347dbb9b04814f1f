"""One channel, opened again and again, and what both daemons ask of the session on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import mmap
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vsocks.errors import BusyError, describe
from vsocks.mux.connection import STAGING_SIZE, Connection
from vsocks.mux.machine_log import log_of
from vsocks.protocol.endpoint import Endpoint, Wire
from vsocks.protocol.handshake import Role

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.channel import Channel, ChannelSource
    from vsocks.mux.handlers import PeerHandler, StreamHandler
    from vsocks.mux.stream import MuxStream
    from vsocks.mux.trace import Trace
    from vsocks.protocol.any_session import AnySession, Load
    from vsocks.protocol.endpoint import EndpointConfig
    from vsocks.protocol.handshake import Feature
    from vsocks.protocol.parcels import Parcel

#: Seconds between the attempts to open the channel.
_FIRST_RETRY: Final = 0.1
_LAST_RETRY: Final = 0.5
#: Seconds that a goodbye may take.
_GOODBYE_TIMEOUT: Final = 0.5


class Link:
    """The link to the other daemon; a daemon has one for all its life."""

    def __init__(
        self,
        source: ChannelSource,
        config: EndpointConfig,
        peer: PeerHandler,
        trace: Trace | None = None,
        machine: str = "",
    ) -> None:
        """``peer`` does what the other side asks for; ``trace`` is closed when run() ends.

        ``machine`` is the other side's name, if there are several.
        """
        self.trace = trace
        self.log = log_of(machine)
        self._source = source
        self._config = config
        self._peer = peer
        self._connection: Connection | None = None
        #: Sessions on openings of the channel that are over.
        self._past_sessions = 0
        # Memory that the system gives as far as it is used: an idle machine says little.
        self._staging = memoryview(mmap.mmap(-1, STAGING_SIZE))
        self._loop = asyncio.get_running_loop()
        #: Bytes of streams that have ended: from this side, and taken by it.
        self.read = 0
        self.written = 0

    def __repr__(self) -> str:
        return f"<Link {self._source.name} {self._connection!r}>"

    # -- the session -----------------------------------------------------------------------

    @property
    def _session(self) -> AnySession | None:
        return self._connection.standing if self._connection is not None else None

    def _standing(self) -> Connection:
        if self._connection is None:
            raise BusyError("no session with the other side stands")
        return self._connection

    @property
    def has_session(self) -> bool:
        """Whether a session stands."""
        return self._session is not None

    @property
    def sessions(self) -> int:
        """How many sessions have stood so far."""
        connection = self._connection
        return self._past_sessions + (connection.sessions if connection is not None else 0)

    @property
    def load(self) -> Load | None:
        """What the session has on its way; None if none stands."""
        session = self._session
        return session.load if session is not None else None

    @property
    def unsent(self) -> int:
        """Bytes that the channel has not taken."""
        return self._connection.unsent if self._connection is not None else 0

    @property
    def channel(self) -> str:
        """For people: what the channel is."""
        return self._source.name

    @property
    def channel_open(self) -> bool:
        """Whether the channel is open, with or without a session."""
        return self._connection is not None

    @property
    def session(self) -> tuple[str, float]:
        """For people: what the session's sides have agreed on; and how many seconds it stands."""
        connection = self._connection
        if connection is None or connection.standing is None:
            return "", 0.0
        return connection.agreed, self._loop.time() - connection.up_since

    @property
    def handlers(self) -> list[StreamHandler]:
        """The users of all streams, in the order of their begin."""
        return self._connection.handlers if self._connection is not None else []

    def count(self, read: int, written: int) -> None:
        """A stream has ended, with so many bytes."""
        self.read += read
        self.written += written

    @property
    def dropped(self) -> int:
        """How many datagrams this session has not sent."""
        session = self._session
        return session.dropped if session is not None else 0

    def require(self, feature: Feature) -> None:
        """Raise BusyError if no session stands, NotSupportedError if it lacks the feature."""
        self._standing().session.require(feature)

    def open(self, target: Target, handler: StreamHandler, *, listen: bool = False) -> MuxStream:
        """Open a stream to ``target``; with ``listen`` one that ``target`` is to connect to.

        Raises BusyError if none is free or no session stands, NotSupportedError if the peer
        can't do that.
        """
        return self._standing().open(target, handler, listen=listen)

    def post(self, parcel: Parcel) -> bool:
        """Send a parcel, soon or never; returns False if it was dropped.

        The caller has made sure that the peer has the feature.
        """
        connection, session = self._connection, self._session
        if connection is None or session is None or not session.post(parcel, self._loop.time()):
            return False
        connection.flush_soon()
        return True

    # -- the channel -----------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the channel open and a session on it, until cancelled."""
        level, last_reason = logging.INFO, ""
        try:
            while True:
                self.log.log(level, "waiting for the channel %s", self._source.name)
                channel = await self._open()
                self.log.log(level, "channel open: %s", self._source.name)
                reason, was_up = await self._serve(channel)
                # A channel that ends again and again before any session is told of once.
                in_vain = not was_up and reason == last_reason
                level, last_reason = logging.DEBUG if in_vain else logging.INFO, reason
                self.log.log(level, "channel closed: %s", reason)
                if not was_up:
                    await asyncio.sleep(_LAST_RETRY if in_vain else _FIRST_RETRY)
        finally:
            await self._source.close()
            if self.trace is not None:
                self.trace.close()

    def drop_channel(self, reason: str) -> None:
        """Close the channel if it is open; it is opened anew."""
        if self._connection is not None:
            self._connection.detach(reason)

    async def goodbye(self) -> None:
        """Tell the peer that this daemon ends, if a session stands and the channel takes it."""
        if self._connection is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_TIMEOUT):
                    await self._connection.goodbye("it is shutting down")

    async def _open(self) -> Channel:
        delay = _FIRST_RETRY
        last_problem = ""
        while True:
            try:
                return await self._source.open()
            except OSError as error:
                problem = describe(error)
            if problem != last_problem:
                self.log.info("the channel isn't there yet: %s", problem)
                last_problem = problem
            await asyncio.sleep(delay)
            delay = min(_LAST_RETRY, delay * 2)

    async def _serve(self, channel: Channel) -> tuple[str, bool]:
        """Serve one opening of the channel; returns why it ended, and whether a session stood."""
        offer = self._config.offer
        offer = replace(offer, max_frame=min(offer.max_frame, self._source.max_frame))
        endpoint = Endpoint(replace(self._config, offer=offer), self._loop.time())
        connection = Connection(
            channel, endpoint, self._staging, self._peer, self.trace, log=self.log
        )
        self._connection = connection
        if self.trace is not None:
            self.trace.begin(Wire.AUTO)
        close = channel.close
        try:
            connection.start()
            return await asyncio.shield(connection.over), connection.was_up
        except asyncio.CancelledError:
            close = channel.leave
            raise
        finally:
            self._connection = None
            self._past_sessions += connection.sessions
            connection.detach("the daemon ends")
            try:
                if self._config.role is Role.HOST:
                    await connection.discard()
            finally:
                await close()
