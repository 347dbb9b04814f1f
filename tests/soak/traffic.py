"""The kinds of traffic: each goes one way through both daemons, and proves what comes out."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from random import Random

import dns.message

from tests.integration.support import http_client, udp
from tests.integration.support.transfer import (
    CorruptDataError,
    receive_pattern,
    request,
    send_pattern,
)
from tests.integration.support.waiting import DEADLINE
from tests.soak.rig import DOMAIN, RECEIPT, Rig, address_of
from tests.soak.tally import Tally
from tests.support import socks
from tests.support.pattern import pattern
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import RefusedError

#: Sizes are powers of two below that, and what is between: short streams are as many as long ones.
LARGEST = 22
#: Datagrams may be lost, and questions are: so often is one sent, and so many seconds waited for.
TRIES = 5
PATIENCE = 2.0
#: Seconds that a worker rests between two, at most, and after one that failed.
PAUSE = 0.02
PAUSE_AFTER_FAILURE = 0.1

#: Numbers of streams, which are used again after so many (pages have four each).
STREAMS = 1 << 20

#: Sends stream number so-and-so by some way; tells the tally what has come.
Kind = Callable[[Rig, Tally, Random, int], None]


def download(rig: Rig, tally: Tally, dice: Random, stream: int) -> None:
    with socks.connect(rig.proxy, rig.source) as sock:
        _receive(sock, tally, stream, _size(dice))


def upload(rig: Rig, tally: Tally, dice: Random, stream: int) -> None:
    size = _size(dice)
    with socks.connect(rig.proxy, rig.sink) as sock:
        request(sock, stream, size)
        send_pattern(sock, stream, size)
        sock.shutdown(socket.SHUT_WR)
        came = int.from_bytes(receive_exactly(sock, RECEIPT), "big")
    if came != size:
        raise CorruptDataError(f"the target got {came} of {size} bytes, and a clean end")
    tally.count(size)


def page(rig: Rig, tally: Tally, dice: Random, stream: int) -> None:
    """Some requests on one connection to the HTTP proxy."""
    with http_client.HttpClient(rig.proxy) as client:
        for part in range(dice.randrange(1, 4)):
            number, size = (stream << 2) + part, _size(dice, LARGEST - 4)
            response = client.get(f"{rig.web}/{number}/{size}")
            if response.status != 200:
                raise ConnectionError(f"HTTP {response.status}: {response.body[:80]!r}")
            if response.body != pattern(number, 0, size):
                raise CorruptDataError(f"page {number} of {size} bytes has another body")
            tally.count(size)


def datagrams(rig: Rig, tally: Tally, dice: Random, stream: int) -> None:
    """An association, and some datagrams that come back."""
    with udp.Association(rig.proxy) as association:
        association.socket.settimeout(PATIENCE)
        sent: set[bytes] = set()
        for number in range(dice.randrange(1, 30)):
            data = pattern(stream, number << 12, dice.randrange(1, 1400))
            sent.add(data)
            _ask_until(
                partial(association.send, rig.echo, data),
                lambda: association.receive()[1],
                data.__eq__,
                sent.__contains__,
            )
            tally.count(len(data))


def query(rig: Rig, tally: Tally, dice: Random, stream: int) -> None:
    """A question to the guest's DNS port."""
    asked = dns.message.make_query(f"{stream}.{DOMAIN}", "A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(rig.dns)
        answer = _ask_until(
            lambda: sock.send(asked.to_wire()),
            lambda: sock.recv(udp.LONGEST),
            lambda got: dns.message.from_wire(got).rcode() == 0,
            lambda got: dns.message.from_wire(got).id == asked.id,
        )
    said = [str(data) for rrset in dns.message.from_wire(answer).answer for data in rrset]
    if said != [address_of(stream)]:
        raise CorruptDataError(f"{stream}.{DOMAIN} was said to be {said}")
    tally.count(len(answer))


def forward(rig: Rig, tally: Tally, dice: Random, stream: int) -> None:
    """A port of the host that comes out in the guest."""
    with socks.dial(rig.forward) as sock:
        _receive(sock, tally, stream, _size(dice))


#: How many workers each kind has.
KINDS: dict[Kind, int] = {download: 2, upload: 2, page: 2, datagrams: 1, query: 1, forward: 2}


def go(kind: Kind, rig: Rig, tally: Tally, dice: Random, stream: int) -> bool:
    """One of that kind; the tally hears how it went. Returns whether it passed."""
    name, began = kind.__name__, time.monotonic()
    try:
        kind(rig, tally, dice, stream)
    except (OSError, EOFError, RefusedError, AssertionError) as error:
        tally.has_failed(name, began, error)
    except Exception as error:  # CorruptDataError, or what is no message at all
        tally.is_wrong(name, error)
    else:
        tally.has_passed(name)
        return True
    return False


class Traffic:
    """Workers of all kinds, from construction to `stop`."""

    def __init__(self, rig: Rig, tally: Tally, seed: int) -> None:
        self._rig = rig
        self._tally = tally
        self._ends = threading.Event()
        kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._work, args=(kind, seed, number, len(kinds)), daemon=True)
            for number, kind in enumerate(kinds, start=1)
        ]
        for thread in self._threads:
            thread.start()

    def _work(self, kind: Kind, seed: int, number: int, workers: int) -> None:
        dice = Random(f"{seed} {number}")
        stream = number
        while not self._ends.wait(dice.uniform(0, PAUSE)):
            if not go(kind, self._rig, self._tally, dice, stream):
                self._ends.wait(PAUSE_AFTER_FAILURE)
            stream = (stream + workers) % STREAMS

    def stop(self) -> None:
        """Begin no more, and wait for those that are under way."""
        self._ends.set()
        for thread in self._threads:
            thread.join(4 * DEADLINE)
            assert not thread.is_alive(), "a worker hangs"


def _size(dice: Random, largest: int = LARGEST) -> int:
    return dice.randrange(1, 2 << dice.randrange(largest))


def _receive(sock: socket.socket, tally: Tally, stream: int, size: int) -> None:
    """Ask for so much of a stream, and check that it comes."""
    request(sock, stream, size)
    received = receive_pattern(sock, stream, moved=tally.count)
    if received.count != size:
        raise EOFError(f"{received.count} of {size} bytes came, then {received.ending}")


def _ask_until(
    ask: Callable[[], object],
    hear: Callable[[], bytes],
    is_answer: Callable[[bytes], bool],
    is_late: Callable[[bytes], bool],
) -> bytes:
    """The answer; what comes late of an earlier try is passed over, anything else is wrong."""
    for _ in range(TRIES):
        ask()
        try:
            while not is_answer(got := hear()):
                if not is_late(got):
                    raise CorruptDataError(f"nobody has sent {got[:40].hex()}")
        except TimeoutError:
            continue
        return got
    raise TimeoutError(f"{TRIES} datagrams were not answered")
