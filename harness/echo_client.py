"""Runs in the guest: round trips of 64 bytes through a SOCKS5 server to an echo.

    python3 -m echo_client SOCKS_PORT HOST PORT TIMES

Prints {"p50_ms": …, "p99_ms": …} as JSON. Standard library only.
"""

from __future__ import annotations

import json
import socket
import sys
import time

MESSAGE = bytes(range(64))
WARM_UP = 20
SILENCE = 30.0


def connect(socks_port: int, host: str, port: int) -> socket.socket:
    """CONNECT to an IPv4 address, by RFC 1928."""
    sock = socket.create_connection(("127.0.0.1", socks_port), SILENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(b"\x05\x01\x00")
    receive(sock, 2)
    sock.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(host) + port.to_bytes(2, "big"))
    answer = receive(sock, 4)
    if answer[1] != 0:
        raise ConnectionError(f"the proxy answered {answer[1]}")
    receive(sock, {1: 6, 4: 18}[answer[3]])
    return sock


def receive(sock: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes."""
    data = sock.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise ConnectionError("closed by the proxy")
    return data


def round_trip(sock: socket.socket) -> float:
    """Milliseconds until the message is back."""
    began = time.perf_counter()
    sock.sendall(MESSAGE)
    if receive(sock, len(MESSAGE)) != MESSAGE:
        raise ConnectionError("another message came back")
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Measure and print."""
    socks_port, host, port, times = sys.argv[1:]
    with connect(int(socks_port), host, int(port)) as sock:
        for _ in range(WARM_UP):
            round_trip(sock)
        taken = sorted(round_trip(sock) for _ in range(int(times)))
    figures = {"p50_ms": taken[len(taken) // 2], "p99_ms": taken[len(taken) * 99 // 100]}
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
