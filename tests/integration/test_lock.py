"""Two daemons can't share a channel: the second says so, in one line, and at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.daemon import Daemon
from tests.integration.support.layouts import LAYOUTS
from tests.integration.support.pair import Pair
from tests.support import socks
from tests.support.socks_messages import Reply
from vsocks.channel import parse_spec
from vsocks.channel.lock import lock_names

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def _fails_in_one_line(arguments: tuple[str, ...], log: Path) -> str:
    with Daemon(arguments, log) as daemon:
        assert daemon.wait() != 0, daemon.tail()
        assert len(daemon.lines) == 1, daemon.tail()
        return daemon.lines[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_host(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path, layout: str
) -> None:
    pair, target = start_pair(layout), serve(echo)
    since = len(pair.guest.lines)
    error = _fails_in_one_line(("host", "--channel", pair.ends.host), tmp_path / "second.log")
    assert pair.ends.host.split(":", 1)[1] in error, "the error does not say which channel"
    assert socks.ask(pair.proxy, target.address) == Reply.SUCCEEDED
    assert len(pair.guest.lines) == since, "the first pair was disturbed"


def test_a_second_host_before_any_guest(start_pair: StartPair, tmp_path: Path) -> None:
    pair = start_pair(start=False)
    pair.start_guest()
    pair.start_host()
    pair.wait_session()
    pair.guest.stop()
    _fails_in_one_line(("host", "--channel", pair.ends.host), tmp_path / "second.log")


def test_a_second_host_by_another_path(start_pair: StartPair, tmp_path: Path) -> None:
    start_pair()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "channel")
    _fails_in_one_line(("host", "--channel", f"unix:{link}"), tmp_path / "second.log")


@pytest.mark.parametrize("layout", ["unix-guest-listens", "serial"])
def test_the_lock_dies_with_its_owner(start_pair: StartPair, layout: str) -> None:
    pair: Pair = start_pair(layout)
    since = len(pair.guest.lines)
    pair.host.kill()
    pair.start_host()
    pair.wait_session(guest_since=since)


@pytest.mark.parametrize("layout", ["unix-guest-listens", "tcp-guest-listens"])
def test_a_second_guest_that_would_listen_on_the_same_channel(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path, layout: str
) -> None:
    pair, target = start_pair(layout), serve(echo)
    arguments = ("guest", "--channel", pair.ends.guest, "--listen", "127.0.0.1:0")
    with Daemon(arguments, tmp_path / "second.log") as daemon:
        assert daemon.wait() != 0, daemon.tail()
    assert socks.ask(pair.proxy, target.address) == Reply.SUCCEEDED


@pytest.mark.skipif(os.getuid() != 0, reason="only root can seem to be another user")
def test_a_stranger_who_holds_a_name_keeps_nobody_out(tmp_path: Path) -> None:
    spec = parse_spec(f"unix-listen:{tmp_path}/channel")
    arguments = ("host", "--channel", str(spec))
    with (
        held_by(65534, lock_names("host", spec)[0]),
        Daemon(arguments, tmp_path / "host.log") as host,
    ):
        host.wait_for_log("user 65534, who has no part in .*, holds a name of its lock")
        host.wait_for_log("waiting for the channel")
        with Daemon(arguments, tmp_path / "second.log") as second:
            second.wait_for_log("another vsocks host daemon is already attached")
            assert second.wait() != 0
    with held_by(0, lock_names("host", spec)[3]):
        assert "already attached" in _fails_in_one_line(arguments, tmp_path / "third.log")


def test_a_path_need_not_be_text(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff"
    with Daemon(("host", "--channel", os.fsdecode(b"unix:" + path)), tmp_path / "log") as host:
        host.wait_for_log("waiting for the channel")


@contextmanager
def held_by(user: int, name: str) -> Iterator[None]:
    """Somebody listens at a name of the kernel's."""
    with socket.socket(socket.AF_UNIX) as holder:
        holder.bind(name)
        os.seteuid(user)
        try:
            holder.listen()
        finally:
            os.seteuid(0)
        yield
