"""Any datagram from a SOCKS5 client, and any row of senders at an association's port."""

from __future__ import annotations

from tests.fuzz.feed import Feed
from vsocks.address import Target, encode_address
from vsocks.proxy.udp import LONGEST_HEADER, ClientLock, Malformed, encode_header, parse_datagram

CLIENT = "127.0.0.1"
HOSTS = [
    CLIENT,
    "127.0.0.2",
    "::1",
    "0.0.0.0",
    "::ffff:127.0.0.1",
    "fe80::1%eth0",
    "::",
    "a.example",
]


def run(data: bytes) -> None:
    feed = Feed(data)
    lock = ClientLock(CLIENT, Target(HOSTS[feed.below(len(HOSTS))], feed.number(2)))
    admitted: set[tuple[str, int]] = set()
    for _ in range(feed.below(8)):
        source = HOSTS[feed.below(len(HOSTS))], feed.number(2)
        if lock.admits(*source):
            admitted.add(source)
        assert lock.address == (next(iter(admitted)) if admitted else None)
    assert len(admitted) <= 1
    assert {host for host, _ in admitted} <= {CLIENT, "::ffff:127.0.0.1"}
    check_datagram(feed.take(len(data)))


def check_datagram(datagram: bytes) -> None:
    parsed = parse_datagram(memoryview(datagram))
    if isinstance(parsed, Malformed):
        return
    target, payload = parsed
    assert datagram.startswith(bytes(3))
    assert datagram.endswith(bytes(payload))
    header = encode_header(target)
    assert header[3:] == encode_address(target)
    assert len(header) <= LONGEST_HEADER
    again = parse_datagram(header)
    assert not isinstance(again, Malformed)
    assert again[0] == target


NO_SENDERS = b"\x03\x00\x00\x00"
SEEDS = [
    NO_SENDERS + b"\0\0\0\x01\x7f\0\0\x01\0\x35query",
    NO_SENDERS + b"\0\0\0\x03\x0bexample.com\0\x35query",
    NO_SENDERS + b"\0\0\0\x04" + bytes(15) + b"\x01\0\x35query",
    NO_SENDERS + b"\0\0\x01\x01\x7f\0\0\x01\0\x35query",
    NO_SENDERS + b"\0\0\0\x02\x7f\0\0\x01\0\x35query",
    b"\x03\x00\x00\x03\x01\x05\x00\x00\x05\x00\x00\x06\x00\0\0\0\x01\x7f\0\0\x01\0\x35",
    b"\x00\x05\x00\x02\x00\x06\x00\x04\x05\x00\0\0\0\x01\x7f\0\0\x01\0\x35",
]
