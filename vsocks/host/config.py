"""What the host daemon of one machine is told to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from vsocks.host.associations import DatagramLimits
from vsocks.host.dial import AT_ONCE, NAMES_AT_ONCE
from vsocks.mux.relay import IdleTimeouts
from vsocks.protocol.handshake import Offer

if TYPE_CHECKING:
    from vsocks.address import Target
    from vsocks.host.audit import AuditConfig
    from vsocks.host.forwards import Forward
    from vsocks.mux.trace import Trace
    from vsocks.policy.policy import Policy
    from vsocks.protocol.endpoint import Wire

#: Descriptors of a look-up, of the questions under way, and of what else there is.
_LOOK_UP_FILES: Final = 2
_QUESTION_FILES: Final = 64
_OTHER_FILES: Final = 64


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The configuration of the host daemon for one machine."""

    wire: Wire
    policy: Policy
    #: The machine's name, if there are several.
    name: str = ""
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
    #: Look-ups at once.
    look_ups: int = 64
    #: Where all that happens is written, if anywhere.
    trace: Trace | None = None
    #: Where it is told what was allowed and denied, if anywhere.
    audit: AuditConfig | None = None

    @property
    def other_descriptors(self) -> int:
        """The most descriptors that are needed beside those of the connections."""
        return (
            NAMES_AT_ONCE * AT_ONCE
            + 2 * self.datagrams.associations
            + _LOOK_UP_FILES * self.look_ups
            + _QUESTION_FILES
            + _OTHER_FILES
        )


NEEDS_RESTART: Final = ("name", "wire", "offer", "look_ups", "trace")
"""What of a configuration only a new Host can have."""
