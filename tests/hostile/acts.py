"""What a hostile peer does in a session: all that a good one does, and all that it never would."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.fuzz import endpoint_frames
from tests.fuzz.feed import Feed
from vsocks.errors import BusyError, NotSupportedError
from vsocks.protocol.frames import CONTROL_ID, FIRST_HOST_ID, HEADER
from vsocks.protocol.handshake import Hello, Role
from vsocks.protocol.messages import Ack, CloseCode, Credit, Message, Ping, Pong, encode_message
from vsocks.protocol.outbox import Outbox
from vsocks.protocol.parcels import Ask, Associate, Associated, Datagram, Dissociate, Tell, Topic
from vsocks.protocol.session import Session
from vsocks.protocol.streams import Sending

if TYPE_CHECKING:
    from tests.hostile.peer import Peer

Act = Callable[["Peer"], None]

DATA = memoryview(bytes(range(256)) * 2048)
#: How many times a flood says the same.
FLOOD = 3000
#: Where a slot's number may lie.
SLOTS = [*range(8), 63, 64, 255, 256, *range(FIRST_HOST_ID, FIRST_HOST_ID + 8), 0xFFFE]


# -- what a good peer does -----------------------------------------------------------------


def opens(peer: Peer) -> None:
    with contextlib.suppress(BusyError, NotSupportedError):
        peer.streams.append(peer.session.open(peer.dice.choice(peer.targets)))


def listens(peer: Peer) -> None:
    with contextlib.suppress(BusyError, NotSupportedError):
        peer.streams.append(peer.session.listen(peer.dice.choice(peer.targets)))


def answers(peer: Peer) -> None:
    for stream in peer.some_streams():
        if stream.sending is Sending.ASKED:
            bound = peer.dice.choice(peer.targets)
            if peer.dice.random() < 0.3:
                peer.session.listening(stream, bound)
            if peer.dice.random() < 0.7:
                peer.session.accept(stream, bound)
            else:
                peer.session.refuse(stream, peer.dice.randrange(1, 256))


def sends(peer: Peer) -> None:
    for stream in peer.some_streams():
        if stream.outbound is None:
            peer.session.send(stream, DATA[: peer.dice.randrange(1 << peer.dice.randrange(1, 20))])


def ends(peer: Peer) -> None:
    for stream in peer.some_streams():
        peer.session.end(stream)


def closes(peer: Peer) -> None:
    for stream in peer.some_streams():
        peer.session.close(stream, peer.dice.choice(list(CloseCode)))
        peer.streams.remove(stream)


def consumes(peer: Peer) -> None:
    for stream in peer.some_streams():
        peer.session.consumed(stream, peer.owed.pop(stream, 0))


def associates(peer: Peer) -> None:
    number = peer.some_number()
    if peer.role is Role.GUEST:
        peer.post(peer.dice.choice((Associate(number), Associate(number), Dissociate(number))))
    else:
        peer.post(peer.dice.choice((Associated(number, 0), Associated(number, 1))))


def sends_datagrams(peer: Peer) -> None:
    size = peer.dice.choice((0, 64, 1400, 65000))
    number = peer.some_number()
    target = peer.dice.choice([peer.ground.datagrams, *peer.targets])
    for _ in range(peer.dice.randrange(20)):
        peer.post(Datagram(number, target, DATA[:size]))


def asks_or_tells(peer: Peer) -> None:
    about = peer.dice.choice((*peer.questions, b"localhost", b"\x01\x7f\0\0\x01\0\0", b""))
    if peer.role is Role.GUEST:
        peer.post(Ask(peer.some_number(), peer.dice.choice(list(Topic)), about))
    else:
        peer.post(Tell(peer.some_number(), peer.dice.randrange(3), about))


def rests(peer: Peer) -> None:
    peer.rest(peer.dice.choice((0.002, 0.02, 0.05)))


# -- what a good peer never does -----------------------------------------------------------


def says_anything(peer: Peer) -> None:
    """A message of some kind, mostly well-formed, in whatever state things are."""
    forge(peer, CONTROL_ID, any_message(peer))


def says_nonsense(peer: Peer) -> None:
    forge(peer, CONTROL_ID, peer.dice.randbytes(peer.dice.randrange(40)))


def sends_anywhere(peer: Peer) -> None:
    """Data on any stream, be it open or not, with or without credit."""
    size = peer.dice.randrange(1 << peer.dice.randrange(1, 16))
    forge(peer, peer.dice.choice(SLOTS), bytes(DATA[:size]))


def oversteps_credit(peer: Peer) -> None:
    for stream in 20 * peer.some_streams():
        forge(peer, stream.id, bytes(DATA[:60000]))


def gives_credit(peer: Peer) -> None:
    """Far more than anybody would, and for streams that have none coming."""
    for stream in peer.some_streams():
        size = peer.dice.choice((0, 1, 100_000, 0xFFFFFFFF))
        stream.receive_credit += size
        say(peer, Credit(stream.id, size))


def acknowledges(peer: Peer) -> None:
    say(peer, Ack(peer.dice.choice((0, 1, 1000, 0xFFFFFFFF))))


def floods(peer: Peer) -> None:
    harmless: Message = peer.dice.choice((Ping(1), Pong(1), Ack(0)))
    message = peer.dice.choice((any_message(peer), encode_message(harmless)))
    for _ in range(peer.dice.randrange(FLOOD)):
        forge(peer, CONTROL_ID, message)


def begins_anew(peer: Peer) -> None:
    """A hello in the middle of everything; some are damaged, or answer another handshake."""
    role = peer.dice.choice((peer.role, peer.role, Role(1 - peer.role)))
    echo = peer.dice.choice((0, peer.dice.getrandbits(64)))
    peer.put(Hello(role, peer.dice.getrandbits(64), echo, peer.offer).encode())


def says_goodbye(peer: Peer) -> None:
    peer.session.goodbye("x" * peer.dice.randrange(300))


def makes_noise(peer: Peer) -> None:
    peer.put(peer.dice.randbytes(1 << peer.dice.randrange(17)))


def repeats_itself(peer: Peer) -> None:
    """Bytes of a moment ago, perhaps of another session."""
    peer.put(peer.dice.choice(peer.past) if peer.past else b"")


def goes_deaf(peer: Peer) -> None:
    """Reads nothing for a while."""
    peer.be_deaf(peer.dice.uniform(0, 1))


def hangs_up(peer: Peer) -> None:
    raise ConnectionResetError("the hostile peer closes the channel")


# -- how frames are forged -----------------------------------------------------------------


def say(peer: Peer, message: Message) -> None:
    forge(peer, CONTROL_ID, encode_message(message))


def forge(peer: Peer, frame_id: int, payload: bytes) -> None:
    """Put in a frame that the session would not make; its check is right."""
    session = peer.session
    if isinstance(session, Session):
        outbox: Outbox = session._outbox
        size = outbox._frame(peer.workbench, 0, frame_id, payload)
        peer.put(bytes(peer.workbench[:size]))
    else:
        peer.put(HEADER.pack(frame_id, len(payload)) + payload)


def any_message(peer: Peer) -> bytes:
    return endpoint_frames.message(Feed(peer.dice.randbytes(60)))


#: How often each is done, beside the others.
GOOD: dict[Act, int] = {
    opens: 6,
    listens: 1,
    answers: 6,
    sends: 10,
    ends: 2,
    closes: 4,
    consumes: 10,
    associates: 3,
    sends_datagrams: 3,
    asks_or_tells: 3,
    rests: 1,
}
BAD: dict[Act, int] = {
    says_anything: 6,
    says_nonsense: 1,
    sends_anywhere: 2,
    oversteps_credit: 1,
    gives_credit: 4,
    acknowledges: 1,
    floods: 4,
    begins_anew: 1,
    says_goodbye: 1,
    makes_noise: 1,
    repeats_itself: 1,
    goes_deaf: 2,
    hangs_up: 1,
}
#: What can be done while hands are shaken.
WITHOUT_SESSION = {begins_anew, makes_noise, hangs_up}
