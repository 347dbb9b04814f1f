"""The options of proxying beyond CONNECT: each value that can't be is one line, and status 2."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.integration.support.command_line import UNAVAILABLE, assert_refused, run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SECONDS = ["", "0", "-1", "soon", "nan", "inf", "1e9"]
COUNTS = ["", "0", "-1", "1.5", "many", "70000", "٣"]
BAD = {
    "guest": {
        "--handshake-timeout": SECONDS,
        "--keep-alive-timeout": SECONDS,
        "--idle-timeout": SECONDS,
        "--udp-idle-timeout": SECONDS,
        "--max-associations": COUNTS,
        "--max-header-size": ["", "0", "1023", "2000000", "-1", "32k"],
        "--dns": ["", "53", "127.0.0.1", "127.0.0.1:", ":53", "127.0.0.1:99999"],
        "--expose": ["", "0", "ssh", "127.0.0.1", "127.0.0.1:", "localhost:22", ":22", "1.2.3:22"],
    },
    "host": {
        "--idle-timeout": SECONDS,
        "--udp-idle-timeout": SECONDS,
        "--datagram-rate": SECONDS,
        "--max-associations": COUNTS,
        "--allow-bind": ["", "localhost", "127.0.0.1:21", "1.2.3", "fe80::1%lo"],
        "--dns-server": ["", "dns.example", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:99999"],
        "--forward": [
            "",
            "3389",
            "3389:127.0.0.1",
            "3389:127.0.0.1:0",
            "3389:127.0.0.1:99999",
            "99999:127.0.0.1:3389",
            "rdp:127.0.0.1:3389",
            "3389:localhost:3389",
            "here:3389:127.0.0.1:3389",
            ":3389:127.0.0.1:3389",
            "3389::1:3389",
            "1:2:3:4:5",
            "[::1]",
        ],
    },
}


@pytest.mark.parametrize(
    ("command", "option"), [(command, option) for command in BAD for option in BAD[command]]
)
def test_a_value_that_can_not_be_is_one_line(command: str, option: str) -> None:
    for value in BAD[command][option]:
        done = run(command, "--channel", "unix:x", f"{option}={value}")
        assert_refused(done, option, f"'{value}'")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("guest", "--forward"),
        ("guest", "--users"),
        ("guest", "--allow-bind"),
        ("guest", "--datagram-rate"),
        ("host", "--expose"),
        ("host", "--dns"),
        ("host", "--user"),
        ("host", "--max-header-size"),
    ],
)
def test_each_daemon_has_options_of_its_own(command: str, option: str) -> None:
    done = run(command, "--channel", "unix:x", option, "1")
    assert_refused(done, f"vsocks {command}: error: unrecognized arguments", option)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_for_dns_that_is_in_use(tmp_path: Path, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        channel = f"unix-listen:{tmp_path / 'channel'}"
        done = run("guest", "--channel", channel, "--listen", "127.0.0.1:0", "--dns", where)
    assert_refused(done, where, "the address is in use", status=UNAVAILABLE)


def test_a_forwarded_port_that_is_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        channel = f"unix-listen:{tmp_path / 'channel'}"
        done = run("host", "--channel", channel, "--forward", f"{port}:127.0.0.1:3389")
    assert_refused(done, f"127.0.0.1:{port}", "the address is in use", status=UNAVAILABLE)
    assert not (tmp_path / "channel").exists(), "it began before it knew"


def test_an_address_to_listen_on_that_is_not_ours(tmp_path: Path) -> None:
    channel = f"unix-listen:{tmp_path / 'channel'}"
    done = run("host", "--channel", channel, "--forward", "203.0.113.1:3389:127.0.0.1:3389")
    assert_refused(done, "203.0.113.1:3389: it is no address of this machine", status=UNAVAILABLE)
