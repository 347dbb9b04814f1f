"""Runs in the guest: what curl can't ask of the proxy, by each protocol's own bytes.

    python3 -m tests.e2e.protocol_client PORT datagrams HOST PORT COUNT
    python3 -m tests.e2e.protocol_client PORT bind HOST
    python3 -m tests.e2e.protocol_client PORT resolve NAME
    python3 -m tests.e2e.protocol_client PORT upgrade HOST PORT
    python3 -m tests.e2e.protocol_client PORT dns NAME

The first PORT is the proxy's, or that of its DNS. Prints JSON lines; a wrong answer is an
exception.
"""

from __future__ import annotations

import json
import socket
import struct
import sys

from tests.support import socks
from tests.support.socks_messages import (
    BIND,
    RESOLVE,
    UDP_ASSOCIATE,
    Address,
    Answer,
    Reply,
    datagram_header,
)

LOOPBACK = "127.0.0.1"
PATIENCE = 30.0


def tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def ask(proxy: int, command: int, host: str, port: int) -> tuple[socket.socket, Address]:
    """A connection on which a request has been granted, and the address in the answer."""
    sock, answer = socks.request(
        (LOOPBACK, proxy), (host, port), command=command, deadline=PATIENCE
    )
    return sock, granted(answer)


def granted(answer: Answer) -> Address:
    """The address in a good answer."""
    assert answer.reply is Reply.SUCCEEDED, answer
    return answer.address


def datagrams(proxy: int, host: str, port: str, count: str) -> None:
    """Have datagrams echoed, one after the other; each is sent again until it comes back."""
    control, (_, relay) = ask(proxy, UDP_ASSOCIATE, "0.0.0.0", 0)
    header = datagram_header((host, int(port)))
    with control, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(3)
        sent = 0
        for number in range(int(count)):
            data = struct.pack(">I", number) * (1 + number % 300)
            while True:
                sock.sendto(header + data, (LOOPBACK, relay))
                sent += 1
                assert sent < 2 * int(count) + 10, "most datagrams get lost"
                try:
                    answer = sock.recv(65536)
                except TimeoutError:
                    continue
                if answer.endswith(data) and len(answer) == len(data) + 10:
                    break
        tell(echoed=int(count), sent=sent)


def bind(proxy: int, host: str) -> None:
    """Wait at the host for a connection; echo what it sends in capitals."""
    sock, waits = ask(proxy, BIND, host, 0)
    with sock:
        tell(listening=waits)
        tell(came=granted(socks.read_answer(sock)))
        while data := sock.recv(65536):
            sock.sendall(data.upper())
        sock.shutdown(socket.SHUT_WR)


def resolve(proxy: int, name: str) -> None:
    sock, (address, _) = ask(proxy, RESOLVE, name, 0)
    sock.close()
    tell(address=address)


def upgrade(proxy: int, host: str, port: str) -> None:
    """Go over to another protocol by a request that is passed on, as a WebSocket does."""
    with socket.create_connection((LOOPBACK, proxy), PATIENCE) as sock:
        lines = [
            f"GET http://{host}:{port}/chat HTTP/1.1",
            f"Host: {host}:{port}",
            "Connection: Upgrade",
            "Upgrade: echo",
        ]
        sock.sendall("\r\n".join([*lines, "", ""]).encode())
        stream = sock.makefile("rb")
        status = stream.readline()
        assert b" 101 " in status, status
        while stream.readline().strip():
            pass
        for size in (1, 1000, 100_000):
            sock.sendall(b"x" * size)
            assert stream.read(size) == b"x" * size
        sock.shutdown(socket.SHUT_WR)
        assert stream.read() == b""
    tell(echoed=True)


def dns(port: int, name: str) -> None:
    """Ask for an IPv4 address by UDP and by TCP."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.sendto(query, (LOOPBACK, port))
        by_udp = sock.recv(4096)
    with socket.create_connection((LOOPBACK, port), PATIENCE) as tcp:
        tcp.sendall(struct.pack(">H", len(query)) + query)
        stream = tcp.makefile("rb")
        by_tcp = stream.read(struct.unpack(">H", stream.read(2))[0])
    for answer in (by_udp, by_tcp):
        assert answer[:2] == query[:2], answer
        assert answer[3] & 15 == 0, f"rcode {answer[3] & 15}"
    # The only record is the last thing in the answer: four bytes of address.
    tell(udp=socket.inet_ntoa(by_udp[-4:]), tcp=socket.inet_ntoa(by_tcp[-4:]))


def main() -> None:
    port, name, *arguments = sys.argv[1:]
    modes = {each.__name__: each for each in (datagrams, bind, resolve, upgrade, dns)}
    modes[name](int(port), *arguments)


if __name__ == "__main__":
    main()
