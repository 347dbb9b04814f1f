"""A real nameserver on loopback: dnsmasq, with a few names of the domain example.test."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.integration.support.waiting import DEADLINE, eventually
from vsocks.address import Target

ADDRESS = "127.0.0.1"
#: Texts of TXT records: more than fit in 512 bytes, in 1232, in 4096 and in 16 KiB.
TEXTS = {
    f"txt{count}.example.test": [f"{number:03} {'t' * 200}" for number in range(count)]
    for count in (3, 8, 30, 120)
}
_RECORDS = [
    "host-record=www.example.test,192.0.2.1,2001:db8::1",
    "host-record=other.example.test,192.0.2.2",
    "cname=alias.example.test,www.example.test",
    "mx-host=example.test,mail.example.test,10",
    "srv-host=_ldap._tcp.example.test,dc.example.test,389,5,100",
    "ptr-record=1.2.0.192.in-addr.arpa,www.example.test",
    *(f'txt-record={name},"{text}"' for name, texts in TEXTS.items() for text in texts),
]
_ENDS_WITHIN = 10.0


@contextmanager
def dnsmasq(directory: Path) -> Iterator[Target]:
    """Run it; gives where it listens, by UDP and TCP. Its log and configuration are there, too."""
    port = _free_port()
    configuration = directory / "dnsmasq.conf"
    configuration.write_text("\n".join([*_settings(port), *_RECORDS, ""]))
    with (directory / "dnsmasq.log").open("w") as log:
        process = subprocess.Popen(
            ["/usr/sbin/dnsmasq", f"--conf-file={configuration}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            eventually(lambda: _check_answers(process, port, directory / "dnsmasq.log"))
            yield Target(ADDRESS, port)
        finally:
            process.terminate()
            process.wait(_ENDS_WITHIN)


def _settings(port: int) -> list[str]:
    return [
        "keep-in-foreground",
        "log-facility=-",
        # Without a value: no such file. One that is named, dnsmasq removes when it ends.
        "pid-file",
        f"user={pwd.getpwuid(os.getuid()).pw_name}",
        "bind-interfaces",
        f"listen-address={ADDRESS}",
        f"port={port}",
        # Nothing of this machine, and nobody else to ask: what it doesn't know there isn't.
        "no-resolv",
        "no-hosts",
        "local=/#/",
    ]


def _check_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"dnsmasq has ended: {log.read_text()}")
    query = dns.message.make_query("www.example.test", "A")
    try:
        dns.query.tcp(query, ADDRESS, timeout=DEADLINE, port=port)
    except (OSError, dns.exception.DNSException) as error:
        raise AssertionError(f"dnsmasq does not answer: {error}") from None


def _free_port() -> int:
    """A port that is free for both, at the moment."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((ADDRESS, 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind((ADDRESS, port))
            except OSError:
                continue
            return port
