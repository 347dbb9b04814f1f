"""What it takes to carry out the requests of clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vsocks.mux.relay import IdleTimeouts
from vsocks.proxy.guesses import Guesses

if TYPE_CHECKING:
    from vsocks.aio.tasks import Tasks
    from vsocks.guest.associations import GuestAssociations
    from vsocks.guest.questions import QuestionClient
    from vsocks.guest.status import StatusBoard
    from vsocks.mux.buffers import Share
    from vsocks.mux.link import Link
    from vsocks.proxy.users import Users


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on clients; times are in seconds."""

    #: For a client to make its request.
    handshake: float = 10.0
    #: For the host to answer.
    answer: float = 60.0
    #: For the expected target to connect to the host (BIND).
    arrival: float = 300.0
    #: Between two HTTP requests.
    keep_alive: float = 60.0
    #: Until an association without any datagram ends.
    udp_idle: float = 300.0
    idle_timeouts: IdleTimeouts = field(default_factory=IdleTimeouts)
    #: Bytes of the head of an HTTP message.
    max_head_size: int = 32 * 1024


@dataclass(frozen=True, slots=True)
class ClientContext:
    """The link to the host, the limits, and what clients share."""

    limits: Limits
    users: Users
    link: Link
    pool: Share
    associations: GuestAssociations
    questions: QuestionClient
    tasks: Tasks
    board: StatusBoard
    guesses: Guesses = field(default_factory=Guesses)
