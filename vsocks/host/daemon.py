"""The host daemon: it connects the streams that come out of the channel to their targets.

The guest may be malware: what it can cost is bounded everywhere, and the policy decides what it
may reach.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from vsocks.aio.tasks import run_until_first_ends
from vsocks.audit.record import Kind
from vsocks.errors import BusyError, VsocksError, describe
from vsocks.host.associations import HostAssociations
from vsocks.host.audit import Audit
from vsocks.host.audited import AuditedConnection, asked_for
from vsocks.host.binding import Binder
from vsocks.host.dial import Dialer
from vsocks.host.forwards import Forwarding, Forwards
from vsocks.host.ledger import Ledger
from vsocks.host.lookup import LookUp
from vsocks.host.nameserver import Nameserver
from vsocks.host.questions import QuestionServer
from vsocks.host.resolv_conf import ResolvConf
from vsocks.host.resolve import Resolver
from vsocks.mux.buffers import share_out
from vsocks.mux.incoming import IncomingStreams
from vsocks.mux.link import Link
from vsocks.protocol.endpoint import EndpointConfig
from vsocks.protocol.handshake import Role
from vsocks.protocol.parcels import Ask
from vsocks.reply import Reply
from vsocks.token_bucket import TokenBucket

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.aio.reactor import Watch
    from vsocks.channel import ChannelSource
    from vsocks.host.config import HostConfig
    from vsocks.host.forwards import Forward
    from vsocks.mux.buffers import CommonPool
    from vsocks.mux.incoming import Connected
    from vsocks.mux.relay import Relay
    from vsocks.mux.stream import MuxStream
    from vsocks.protocol.parcels import Parcel
    from vsocks.reply import DialError

#: Seconds' worth of connects that may come at once: programs do much when they begin.
_BURST: Final = 5


class Host:
    """The daemon for one machine: start(), then run() until cancelled."""

    def __init__(
        self, config: HostConfig, source: ChannelSource, common: CommonPool | None = None
    ) -> None:
        """``common`` is what it shares with other machines, if there are any."""
        self._config = config
        self._source = source
        guests, self._pool = share_out(
            config.offer.max_streams,
            config.offer.window,
            # Forwards may come with another configuration, and in a common pool room costs nothing.
            with_host=bool(config.forwards) or common is not None,
            common=common,
        )
        endpoint = EndpointConfig(Role.HOST, config.offer, config.wire)
        link = self._link = Link(source, endpoint, self, config.trace, config.name)
        self._log = link.log
        self._audit = self._made_audit() if config.audit is not None else None
        #: What stands, and what has been counted.
        self.ledger = Ledger()
        self._resolver = Resolver(config.look_ups, config.look_ups)
        self._rate = _connect_rate(config)
        self._dialer = Dialer(
            config.policy, self._resolver, config.dial_timeout, attempts=self._rate
        )
        self._binder = self._made_binder()
        self._incoming = IncomingStreams(link, guests, config.idle_timeouts, self._log_refusal)
        self._associations = HostAssociations(
            link,
            guests,
            self._dialer,
            config.datagrams,
            self._refused,
            ledger=self.ledger,
            audit=self._audit,
        )
        self._questions = QuestionServer(
            link,
            self._made_look_up(),
            self._made_nameserver(),
            self._refused,
            config.question_rate,
            audit=self._audit,
        )
        self.forwards = Forwards(self._made_forwarding)
        self._loop = asyncio.get_running_loop()
        self.descriptors = self._pool.size + config.other_descriptors
        self.means = (
            f"{config.offer.max_streams} connections in {self._pool.whole.bytes >> 20} MiB, "
            f"{config.datagrams.associations} associations, {config.connect_rate:g} connects/s, "
            f"{config.question_rate:g} questions/s, {config.datagrams.rate:g} datagrams/s"
        )

    async def start(self) -> None:
        """Take the channel, open the audit, and listen on the forwarded ports.

        Raises VsocksError if they can't be had.
        """
        try:
            if self._audit is not None:
                self._audit.open()
            for forward in self._config.forwards:
                self.forwards.add(forward)
            await self._source.start()
        except BaseException:
            self.forwards.close()
            if (trace := self._link.trace) is not None:
                trace.close()
            self._close()
            raise

    @property
    def forwarded(self) -> list[tuple[str, int]]:
        """Where it listens for its forwards, in their order; after start()."""
        return self.forwards.addresses

    @property
    def name(self) -> str:
        """What the machine is called: by the configuration, or as its channel."""
        return self._config.name or self._source.name

    @property
    def link(self) -> Link:
        """Its channel, and the session on it."""
        return self._link

    @property
    def questions(self) -> QuestionServer:
        """What answers the guest's questions."""
        return self._questions

    @property
    def resolver(self) -> Resolver:
        """What looks names up for it."""
        return self._resolver

    @property
    def dialer(self) -> Dialer:
        """What connects it, and knows its policy."""
        return self._dialer

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
            await run_until_first_ends(self._link.run(), self.forwards.run())
        finally:
            self._incoming.close()
            await self._associations.close()
            await self._questions.close()
            self._close()

    def _close(self) -> None:
        self._resolver.close()
        if self._audit is not None:
            self._audit.close()

    def on_hangup(self) -> None:
        """SIGHUP: go on in a new audit."""
        if not self.reopen_audit():
            self._log.info("SIGHUP: there is nothing to read anew")

    def reopen_audit(self) -> bool:
        """Go on in a new audit, if there is one."""
        if self._audit is not None:
            self._audit.reopen()
        return self._audit is not None

    async def goodbye(self) -> None:
        """Tell the guest that the daemon ends."""
        await self._link.goodbye()

    # -- its configuration -----------------------------------------------------------------

    @property
    def config(self) -> HostConfig:
        """The configuration in force."""
        return self._config

    async def reconfigure(self, config: HostConfig, *, ends_forbidden: bool) -> None:
        """Do from now on as ``config`` says; no connection that it allows is cut.

        Those that it forbids are ended if ``ends_forbidden``. What NEEDS_RESTART names stays, and
        so does what can't be had; the log says so.
        """
        before, self._config = self._config, replace(config, trace=self._config.trace)
        if config.connect_rate != before.connect_rate:
            self._rate = _connect_rate(config)
        self._dialer.reconfigure(config.policy, config.dial_timeout, self._rate)
        self._binder = self._made_binder()
        self._incoming.idle_timeouts = config.idle_timeouts
        self._reconfigure_audit(before)
        audit = self._auditing
        self._associations.reconfigure(config.datagrams, audit, ends_forbidden=ends_forbidden)
        self._questions.reconfigure(
            self._made_look_up(), self._made_nameserver(), config.question_rate, audit
        )
        if ends_forbidden and (ended := self._incoming.end_those(self._dialer.forbids)):
            self._log.info("%d connections have been ended, for the new rules forbid them", ended)
        await self._reconfigure_forwards(before)

    def _reconfigure_audit(self, before: HostConfig) -> None:
        """What stands goes on in the audit in which it has begun, or in none."""
        config = self._config.audit
        if config is None:
            return
        try:
            if self._audit is None:
                audit = self._made_audit()
                audit.open()
                self._audit = audit
            else:
                self._audit.reconfigure(config)
        except VsocksError as error:
            self._log.error("the audit stays as it was: %s", describe(error))
            self._config = replace(self._config, audit=before.audit)

    async def _reconfigure_forwards(self, before: HostConfig) -> None:
        """Those that were added while it runs stay."""
        wanted = self._config.forwards
        for forward in [each for each in before.forwards if each not in wanted]:
            await self.forwards.remove(forward)
        self.forwards.reconfigure(self._config.idle_timeouts, self._auditing)
        for forward in [each for each in wanted if each not in self.forwards]:
            try:
                self.forwards.add(forward)
            except VsocksError as error:
                self._log.error("%s", describe(error))

    @property
    def _auditing(self) -> Audit | None:
        """The audit, for what is new."""
        return self._audit if self._config.audit is not None else None

    def _made_audit(self) -> Audit:
        assert self._config.audit is not None
        return Audit(self._config.audit, self.name, self._log)

    def _made_binder(self) -> Binder:
        config = self._config
        return Binder(config.bind_address, self._dialer, config.bind_timeout)

    def _made_look_up(self) -> LookUp:
        return LookUp(self._config.policy, self._resolver, self._config.dial_timeout)

    def _made_nameserver(self) -> Nameserver:
        fixed = self._config.nameserver
        servers = ResolvConf().servers if fixed is None else lambda: (fixed,)
        policy, audit = self._config.policy, self._auditing
        return Nameserver(servers, policy, refused=self._refused, audit=audit)

    def _made_forwarding(self, forward: Forward) -> Forwarding:
        idle_timeouts = self._config.idle_timeouts
        return Forwarding(
            forward,
            self._link,
            self._pool,
            idle_timeouts,
            ledger=self.ledger,
            audit=self._auditing,
        )

    # -- what the guest asks for -----------------------------------------------------------

    def on_open(self, stream: MuxStream, target: Target, *, listens: bool) -> Relay | Reply:
        """The guest opens a stream to a target, or one to which a target is to connect."""
        kind = Kind.BIND if listens else Kind.CONNECT
        if not self._rate.take(now=self._loop.time()):
            return self._refuse(kind, target, f"more than {self._config.connect_rate:g} connects/s")
        audited = None
        if (audit := self._auditing) is not None:
            if audit.refuses:
                return self._refuse(kind, target, "the audit can't be written")
            audited = AuditedConnection(audit, kind, stream.label, target, self._dialer.verdict)
        entry = self.ledger.begin(kind, target, then=audited)

        def connect(relay: Relay, done: Connected) -> Watch:
            entry.mover = relay
            if listens:
                return self._binder.begin(target, relay, done)
            return self._dialer.begin(target, done)

        try:
            return self._incoming.serve(stream, target, connect, entry)
        except BusyError as error:
            entry.refused(Reply.GENERAL_FAILURE)
            return self._refuse(kind, target, describe(error))

    def _refuse(self, kind: Kind, target: Target, why: str) -> Reply:
        """Refuse what is too much."""
        self.ledger.refusals[kind] += 1
        self._refused(f"{target}: {why}")
        if (audit := self._auditing) is not None:
            audit.tell_too_much(kind, why, **asked_for(target))
        return Reply.GENERAL_FAILURE

    def _refused(self, reason: str) -> None:
        self._log.info("refused: %s", reason)

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

    def _log_refusal(self, label: str, error: DialError) -> None:
        self._log.info("%s refused: (%d) %s", label, error.reply, error.reason)


def _connect_rate(config: HostConfig) -> TokenBucket:
    return TokenBucket(config.connect_rate, burst=max(1, int(_BURST * config.connect_rate)))
