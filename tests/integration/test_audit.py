"""`vsocks host --audit`: a line for all that a guest did, and what if it can't be written."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.audit_lines import awaited, lines
from tests.integration.support.behaviours import echo
from tests.integration.support.daemon import Daemon
from tests.integration.support.pair import ALLOW_LOOPBACK
from tests.integration.support.small_disk import fill, small_disk
from tests.integration.support.udp import Association, udp_target
from tests.support import socks
from tests.support.socks_messages import Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_a_connection_has_a_line_at_its_begin_and_its_end(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path
) -> None:
    audit, target = tmp_path / "audit", serve(echo)
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--audit", str(audit)))
    with socks.connect(pair.proxy, ("localhost", target.port)) as sock:
        [begin] = lines(audit, kind="connect", event="begin")
        sock.sendall(b"hello")
        assert sock.recv(5, socket.MSG_WAITALL) == b"hello"
    [end] = awaited(audit, 1, kind="connect", event="end")
    same = {
        "name": "localhost",
        "address": "127.0.0.1",
        "port": target.port,
        "allowed": True,
        "rule": "allow 127.0.0.0/8",
        "number": begin["number"],
        "count": 1,
    }
    assert same.items() <= begin.items()
    assert same.items() <= end.items()
    assert (end["sent"], end["received"]) == (5, 5)
    assert end["seconds"] >= 0
    assert end["machine"].startswith("unix:")


def test_who_is_denied_has_the_rule(start_pair: StartPair, tmp_path: Path) -> None:
    audit = tmp_path / "audit"
    pair = start_pair(host_options=("--deny", "*.evil.test", "--audit", str(audit)))
    assert socks.ask(pair.proxy, ("127.0.0.1", 9)) is Reply.NOT_ALLOWED
    assert socks.ask(pair.proxy, ("c2.evil.test", 443)) is Reply.NOT_ALLOWED
    by_default, by_rule = awaited(audit, 2, allowed=False)
    assert by_default["address"] == "127.0.0.1"
    assert by_default["rule"] == "built-in: loopback (127.0.0.0/8)"
    assert (by_rule["name"], by_rule["port"]) == ("c2.evil.test", 443)
    assert (by_rule["rule"], by_rule["end"]) == ("deny *.evil.test", "denied")


def test_a_flood_of_denials_is_counted_exactly(start_pair: StartPair, tmp_path: Path) -> None:
    audit, many = tmp_path / "audit", 300
    pair = start_pair(host_options=("--connect-rate", "10000", "--audit", str(audit)))
    for _ in range(many):
        assert socks.ask(pair.proxy, ("127.0.0.1", 9)) is Reply.NOT_ALLOWED
    pair.host.stop()
    denied = lines(audit, allowed=False)
    assert sum(line["count"] for line in denied) == many
    assert len(denied) < many / 10


def test_datagrams_have_lines_by_whom_they_are_exchanged_with(
    start_pair: StartPair, tmp_path: Path
) -> None:
    audit = tmp_path / "audit"
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--audit", str(audit)))
    with udp_target() as target, Association(pair.proxy) as association:
        for _ in range(3):
            assert association.exchange(target.address, b"hello")[1] == b"hello"
        association.send(("224.0.0.1", 9), b"to nobody")
        awaited(audit, 1, kind="datagrams", allowed=False)
    awaited(audit, 1, kind="association", event="end")
    [end] = lines(audit, kind="datagrams", event="end")
    assert (end["address"], end["port"]) == target.address
    assert (end["sent"], end["received"], end["rule"]) == (15, 15, "allow 127.0.0.0/8")


def test_a_forward_has_its_client(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path
) -> None:
    audit, target = tmp_path / "audit", serve(echo)
    pair = start_pair(
        guest_options=("--listen", "127.0.0.1:0", "--expose", str(target.port)),
        host_options=("--forward", f"0:127.0.0.1:{target.port}", "--audit", str(audit)),
    )
    port = int(pair.host.wait_for_log(r"forwarding 127\.0\.0\.1:(\d+)")[1])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(b"hello!")
        assert sock.recv(6, socket.MSG_WAITALL) == b"hello!"
        ours = sock.getsockname()[1]
    [end] = awaited(audit, 1, kind="forward", event="end")
    assert (end["client"], end["port"]) == (f"127.0.0.1:{ours}", target.port)
    assert (end["sent"], end["received"]) == (6, 6)
    assert end["rule"].startswith(f"forward 127.0.0.1:{port} to ")


def test_a_rotated_file_is_left_on_a_hangup(start_pair: StartPair, tmp_path: Path) -> None:
    audit, old = tmp_path / "audit", tmp_path / "audit.1"
    pair = start_pair(host_options=("--audit", str(audit)))
    socks.ask(pair.proxy, ("127.0.0.1", 1))
    awaited(audit, 1)
    audit.rename(old)
    pair.host.signal(signal.SIGHUP)
    pair.host.wait_for_log("has been opened anew")
    socks.ask(pair.proxy, ("127.0.0.1", 2))
    awaited(audit, 1)
    assert lines(audit)[0]["port"] == 2
    assert [line["port"] for line in lines(old)] == [1]


@pytest.mark.parametrize("choice", ["continue", "stop"])
def test_a_full_disk_is_said_and_stops_traffic_if_it_is_to(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path, choice: str
) -> None:
    target = serve(echo)
    with small_disk(tmp_path / "disk") as disk:
        audit, ballast = disk / "audit", disk / "ballast"
        options = ("--audit", str(audit), "--audit-failure", choice)
        pair = start_pair(host_options=(*ALLOW_LOOPBACK, *options))
        assert socks.ask(pair.proxy, target.address) is Reply.SUCCEEDED
        awaited(audit, 1, event="end")
        fill(ballast)
        replies = [socks.ask(pair.proxy, target.address) for _ in range(30)]
        pair.host.wait_for_log("can't be written: No space left on device; records lost so far: 1")
        expected = Reply.SUCCEEDED if choice == "continue" else Reply.GENERAL_FAILURE
        assert replies[-1] is expected
        ballast.unlink()
        assert socks.ask(pair.proxy, target.address) is Reply.SUCCEEDED
        pair.host.wait_for_log("is written again")
        pair.host.stop()
        whole = []
        for line in audit.read_text().splitlines():
            try:
                whole.append(json.loads(line))
            except ValueError:
                continue  # the disk was full in its middle
        told = sum(line["count"] for line in whole)
        assert sum(line["count"] for line in whole if line["event"] == "lost") > 0
        # Of each connection a begin and an end, of each refusal one; and the first and the last.
        succeeded = replies.count(Reply.SUCCEEDED)
        assert told == 2 * (succeeded + 2) + len(replies) - succeeded


def test_a_file_that_cannot_be_had_is_said_at_once(tmp_path: Path) -> None:
    arguments = ("host", "--channel", f"unix-listen:{tmp_path}/c", "--audit", f"{tmp_path}/no/file")
    with Daemon(arguments, tmp_path / "daemon.log") as daemon:
        assert daemon.wait() == 2
        assert "can't be written: No such file or directory" in daemon.lines[-1]
