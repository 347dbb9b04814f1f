"""The host daemon: it connects the streams that come out of the channel to their targets.

The guest may be malware: what it can cost is bounded everywhere, and the policy decides what it
may reach.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vsocks.aio.tasks import run_until_first_ends
from vsocks.audit.record import Kind
from vsocks.errors import BusyError, describe
from vsocks.host.associations import DatagramLimits, HostAssociations
from vsocks.host.audit import Audit
from vsocks.host.audited import AuditedConnection, asked_for
from vsocks.host.binding import Binder
from vsocks.host.dial import AT_ONCE, NAMES_AT_ONCE, Dialer
from vsocks.host.forwards import Forwarding
from vsocks.host.lookup import LookUp
from vsocks.host.nameserver import Nameserver
from vsocks.host.questions import QuestionServer
from vsocks.host.resolv_conf import ResolvConf
from vsocks.host.resolve import Resolver
from vsocks.mux.buffers import share_out
from vsocks.mux.incoming import IncomingStreams
from vsocks.mux.link import Link
from vsocks.mux.relay import IdleTimeouts
from vsocks.protocol.endpoint import EndpointConfig
from vsocks.protocol.handshake import Offer, Role
from vsocks.protocol.parcels import Ask
from vsocks.reply import Reply
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.channel import ChannelSource
    from vsocks.host.audit import AuditConfig
    from vsocks.host.forwards import Forward
    from vsocks.mux.relay import Relay
    from vsocks.mux.stream import MuxStream
    from vsocks.mux.trace import Trace
    from vsocks.policy.policy import Policy
    from vsocks.protocol.endpoint import Wire
    from vsocks.protocol.parcels import Parcel
    from vsocks.reply import DialError

log = logging.getLogger(__name__)

#: Seconds' worth of connects that may come at once: programs do much when they begin.
_BURST: Final = 5
#: Descriptors of look-ups and questions under way, and of what else there is.
_LOOK_UP_FILES: Final = 192
_OTHER_FILES: Final = 64


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The configuration of the host daemon."""

    wire: Wire
    policy: Policy
    offer: Offer = field(default_factory=Offer)
    #: Seconds for a connect, look-up included.
    dial_timeout: float = 10.0
    #: Attempts to connect, and questions (look-ups), a second that the guest may cause in the long
    #: run.
    connect_rate: float = 200.0
    question_rate: float = 200.0
    idle_timeouts: IdleTimeouts = field(default_factory=IdleTimeouts)
    datagrams: DatagramLimits = field(default_factory=DatagramLimits)
    #: The address at which targets may connect to the guest's streams; None: they may not.
    bind_address: str | None = None
    #: Seconds that such a target may take to come.
    bind_timeout: float = 120.0
    #: Whom to ask the guest's DNS queries; None: whom this machine asks.
    nameserver: Target | None = None
    #: Ports of ours that come out in the guest.
    forwards: tuple[Forward, ...] = ()
    #: Where all that happens is written, if anywhere.
    trace: Trace | None = None
    #: Where it is told what was allowed and denied, if anywhere.
    audit: AuditConfig | None = None


class Host:
    """The daemon: start(), then run() until cancelled."""

    def __init__(self, config: HostConfig, source: ChannelSource) -> None:
        self._config = config
        self._source = source
        count, window = config.offer.max_streams, config.offer.window
        guests, ours = share_out(count, window, with_host=bool(config.forwards))
        endpoint = EndpointConfig(Role.HOST, config.offer, config.wire)
        link = self._link = Link(source, endpoint, self, config.trace)
        refused = self._refused
        audit = self._audit = Audit(config.audit, source.name) if config.audit else None
        self._resolver = Resolver()
        self._rate = TokenBucket(
            config.connect_rate, burst=max(1, int(_BURST * config.connect_rate))
        )
        self._dialer = Dialer(
            config.policy, self._resolver, config.dial_timeout, attempts=self._rate
        )
        self._binder = Binder(config.bind_address, self._dialer, config.bind_timeout)
        self._incoming = IncomingStreams(link, guests, config.idle_timeouts, _log_refusal)
        self._associations = HostAssociations(
            link, guests, self._dialer, config.datagrams, refused, audit=audit
        )
        fixed = config.nameserver
        servers = ResolvConf().servers if fixed is None else lambda: (fixed,)
        self._questions = QuestionServer(
            link,
            LookUp(config.policy, self._resolver, config.dial_timeout),
            Nameserver(servers, config.policy, refused=refused, audit=audit),
            refused,
            config.question_rate,
            audit=audit,
        )
        self._forwards = [
            Forwarding(forward, link, ours, config.idle_timeouts, audit)
            for forward in config.forwards
        ]
        self._loop = asyncio.get_running_loop()
        self.descriptors = (
            ours.size
            + NAMES_AT_ONCE * AT_ONCE
            + 2 * config.datagrams.associations
            + _LOOK_UP_FILES
            + _OTHER_FILES
        )
        self.means = (
            f"{config.offer.max_streams} connections in {ours.whole.bytes >> 20} MiB, "
            f"{config.datagrams.associations} associations, {config.connect_rate:g} connects/s, "
            f"{config.question_rate:g} questions/s, {config.datagrams.rate:g} datagrams/s"
        )

    async def start(self) -> None:
        """Take the channel, open the audit, and listen on the forwarded ports.

        Raises VsocksError if they can't be had.
        """
        if self._audit is not None:
            self._audit.open()
        try:
            for forward in self._forwards:
                forward.start()
            await self._source.start()
        except BaseException:
            for forward in self._forwards:
                forward.close()
            if self._audit is not None:
                self._audit.close()
            raise

    @property
    def forwarded(self) -> list[tuple[str, int]]:
        """Where it listens for its forwards, in their order; after start()."""
        return [forward.address for forward in self._forwards]

    @property
    def has_session(self) -> bool:
        """Whether a session with the guest stands."""
        return self._link.has_session

    def drop_channel(self) -> None:
        """Close the channel and open it anew."""
        self._link.drop_channel("it was asked to")

    async def run(self) -> None:
        """Serve until cancelled; connections are reset then."""
        try:
            await run_until_first_ends(
                self._link.run(), *(forward.run() for forward in self._forwards)
            )
        finally:
            self._incoming.close()
            await self._associations.close()
            await self._questions.close()
            self._resolver.close()
            if self._audit is not None:
                self._audit.close()

    def on_hangup(self) -> None:
        """SIGHUP: go on in a new audit."""
        if self._audit is not None:
            self._audit.reopen()
        else:
            log.info("SIGHUP: there is nothing to read anew")

    async def goodbye(self) -> None:
        """Tell the guest that the daemon ends."""
        await self._link.goodbye()

    # -- what the guest asks for -----------------------------------------------------------

    def on_open(self, stream: MuxStream, target: Target, *, listens: bool) -> Relay | Reply:
        """The guest opens a stream to a target, or one to which a target is to connect."""
        kind = Kind.BIND if listens else Kind.CONNECT
        if not self._rate.take(now=self._loop.time()):
            return self._refuse(kind, target, f"more than {self._config.connect_rate:g} connects/s")
        observer = None
        if (audit := self._audit) is not None:
            if audit.refuses:
                return self._refuse(kind, target, "the audit can't be written")
            observer = AuditedConnection(audit, kind, stream.label, target, self._dialer.verdict)
        try:
            if listens:
                return self._incoming.serve(
                    stream,
                    target,
                    lambda relay, done: self._binder.begin(target, relay, done),
                    observer,
                )
            return self._incoming.serve(
                stream, target, lambda _, done: self._dialer.begin(target, done), observer
            )
        except BusyError as error:
            return self._refuse(kind, target, describe(error))

    def _refuse(self, kind: Kind, target: Target, why: str) -> Reply:
        """Refuse what is too much."""
        self._refused(f"{target}: {why}")
        if self._audit is not None:
            self._audit.tell_too_much(kind, why, **asked_for(target))
        return Reply.GENERAL_FAILURE

    @staticmethod
    def _refused(reason: str) -> None:
        log.info("refused: %s", reason)

    def on_parcel(self, parcel: Parcel) -> None:
        """A datagram or a question has come."""
        if isinstance(parcel, Ask):
            self._questions.on_ask(parcel)
        else:
            self._associations.on_parcel(parcel)

    def on_lost(self) -> None:
        """The session is over."""
        self._associations.on_lost()
        self._questions.on_lost()


def _log_refusal(label: str, error: DialError) -> None:
    log.info("%s refused: (%d) %s", label, error.reply, error.reason)
