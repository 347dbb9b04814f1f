"""docs/protocol.md is true: its examples are what the code sends and understands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.protocol.world import Side
from vsocks.address import Target
from vsocks.protocol.endpoint import Endpoint, EndpointConfig, Wire
from vsocks.protocol.frames import CHECK, CONTROL_ID, HEADER, epoch_of
from vsocks.protocol.handshake import PROBE, Hello, Offer, Role
from vsocks.protocol.messages import (
    Ack,
    Close,
    Credit,
    End,
    Goodbye,
    Kind,
    Listen,
    Listening,
    Message,
    Open,
    OpenResult,
    Ping,
    decode_message,
    encode_message,
)
from vsocks.protocol.parcels import (
    Ask,
    Associate,
    Associated,
    Datagram,
    Dissociate,
    ParcelKind,
    Tell,
    Topic,
)

pytestmark = pytest.mark.unit

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
EXAMPLES = {
    name: bytes.fromhex(body)
    for name, body in re.findall(
        r"^```hex ([\w-]+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL
    )
}
GUEST_NONCE, HOST_NONCE = 0x1111111111111111, 0x2222222222222222
OFFERS = {Role.GUEST: Offer(64, 262144, 65535), Role.HOST: Offer(256, 262144, 65535)}
EPOCHS = {
    Role.GUEST: epoch_of(GUEST_NONCE, HOST_NONCE),
    Role.HOST: epoch_of(HOST_NONCE, GUEST_NONCE),
}

HELLOS = {
    "hello-guest": Hello(Role.GUEST, GUEST_NONCE, 0, OFFERS[Role.GUEST]),
    "hello-host": Hello(Role.HOST, HOST_NONCE, GUEST_NONCE, OFFERS[Role.HOST]),
    "hello-guest-again": Hello(Role.GUEST, GUEST_NONCE, HOST_NONCE, OFFERS[Role.GUEST]),
}
MESSAGES: dict[str, tuple[Role, int, Message]] = {
    "ping": (Role.GUEST, 0, Ping(1)),
    "open": (Role.GUEST, 1, Open(0, Target("example.com", 80))),
    "open-result": (Role.HOST, 2, OpenResult(0, 0, Target("192.0.2.1", 51234))),
    "end": (Role.GUEST, 3, End(0)),
    "close": (Role.HOST, 7, Close(0, 0)),
    "refused": (Role.HOST, 8, OpenResult(1, 5, None)),
    "credit": (Role.GUEST, 9, Credit(0, 131072)),
    "ack": (Role.GUEST, 10, Ack(20000)),
    "goodbye": (Role.GUEST, 11, Goodbye("it is shutting down")),
    "listen": (Role.GUEST, 12, Listen(2, Target("192.0.2.9", 20))),
    "listening": (Role.HOST, 13, Listening(2, Target("198.51.100.7", 40000))),
    "associate": (Role.GUEST, 14, Associate(1)),
    "associated": (Role.HOST, 15, Associated(1, 0)),
    "datagram": (Role.GUEST, 16, Datagram(1, Target("192.0.2.53", 53), b"ping")),
    "dissociate": (Role.GUEST, 17, Dissociate(1)),
    "ask": (Role.GUEST, 18, Ask(1, Topic.ADDRESS_OF, b"example.com")),
    "tell": (Role.HOST, 19, Tell(1, 0, bytes([1, 192, 0, 2, 1, 0, 0]))),
}


def test_every_example_is_checked() -> None:
    assert set(EXAMPLES) == {*HELLOS, *MESSAGES, "data", "probe"}


@pytest.mark.parametrize("name", HELLOS)
def test_hello(name: str) -> None:
    assert EXAMPLES[name] == HELLOS[name].encode()


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name: str) -> None:
    role, sequence, message = MESSAGES[name]
    payload = encode_message(message)
    header = HEADER.pack(CONTROL_ID, len(payload) + CHECK.size)
    assert EXAMPLES[name] == header + payload + CHECK.pack(EPOCHS[role], sequence)
    assert decode_message(memoryview(payload)) == message


def test_epochs_and_kinds_are_as_written() -> None:
    assert "0x116763fc" in DOCUMENT
    assert "0x4680e1aa" in DOCUMENT
    assert (EPOCHS[Role.GUEST], EPOCHS[Role.HOST]) == (0x116763FC, 0x4680E1AA)
    table = dict(re.findall(r"^    (0x[18]\d)  (\w+)", DOCUMENT, re.MULTILINE))
    assert {int(number, 16): name for number, name in table.items()} == {
        kind: kind.name for kind in (*Kind, *ParcelKind)
    }


def test_the_probe() -> None:
    assert EXAMPLES["probe"] == PROBE


def test_the_conversation_is_what_a_guest_says() -> None:
    """The host's side is played from the document."""
    guest = Side(Role.GUEST, 0, 0.0, OFFERS[Role.GUEST])
    guest.endpoint = Endpoint(
        EndpointConfig(Role.GUEST, OFFERS[Role.GUEST], Wire.AUTO),
        0.0,
        lambda size: GUEST_NONCE.to_bytes(size, "little"),
    )
    assert guest.output(0.0) == EXAMPLES["hello-guest"] + EXAMPLES["probe"]
    guest.deliver(EXAMPLES["hello-host"], 0.0)
    assert guest.output(0.0) == EXAMPLES["hello-guest-again"] + EXAMPLES["ping"]

    session = guest.endpoint.session
    assert session is not None
    stream = session.open(Target("example.com", 80))
    assert guest.output(0.0) == EXAMPLES["open"]
    session.send(stream, memoryview(b"GET / HTTP/1.0\r\n\r\n"))
    assert guest.output(0.0) == EXAMPLES["data"]
    session.end(stream)
    assert guest.output(0.0) == EXAMPLES["end"]
