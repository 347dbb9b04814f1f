"""A DNS server on loopback: dnsmasq, with three names of its own."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.clients.support.server_process import server_process
from tests.integration.support.layouts import free_port

NAME, IPV4, IPV6 = "site.test", "192.0.2.7", "2001:db8::7"
LONG_NAME = "long.test"
LONG_TEXT = "x" * 200
LONG_TEXTS = 15
"""So many of these are the answer to TXT of LONG_NAME: more than 512 bytes, and than 1500."""

WIDE_NAME = "wide.test"
WIDE = [f"192.0.2.{number}" for number in range(100, 150)]
"""The addresses of WIDE_NAME: more than the 512 bytes that a plain datagram may have."""


@contextmanager
def dns_server(folder: Path) -> Iterator[int]:
    """The server's port, of 127.0.0.1 and ::1, by UDP and TCP. Its log goes to `folder`."""
    port = free_port()
    command = [
        *("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--conf-file=/dev/null"),
        *("--no-resolv", "--no-hosts", "--pid-file=", f"--user={getpass.getuser()}"),
        "--edns-packet-max=4096",
        *("--bind-interfaces", "--listen-address=127.0.0.1,::1", f"--port={port}"),
        f"--host-record={NAME},{IPV4},{IPV6}",
        *(f"--host-record={WIDE_NAME},{address}" for address in WIDE),
        *(f"--txt-record={LONG_NAME},{i}{LONG_TEXT}" for i in range(LONG_TEXTS)),
    ]
    with server_process(command, folder, ready="started", failing=("failed", "bad ")):
        yield port
