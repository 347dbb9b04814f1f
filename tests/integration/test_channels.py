"""Every kind of channel that needs no VM carries the same bytes, whichever side opens it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

import vsocks
from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import sink, source
from tests.integration.support.daemon import Daemon
from tests.integration.support.layouts import LAYOUTS, Ends
from tests.integration.support.pair import LISTENING, SESSION_UP, Pair
from tests.integration.support.ptys import PtyCable
from tests.integration.support.targets import Target
from tests.integration.support.transfer import Received, receive_pattern, request, send_pattern
from tests.integration.support.waiting import eventually
from tests.support import socks
from tests.support.socks_messages import Address

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

SIZE = 4_000_003


def _transfers(proxy: Address, source_target: Target, sink_target: Target) -> None:
    with socks.connect(proxy, source_target.address) as sock:
        request(sock, 1, SIZE)
        assert receive_pattern(sock, 1) == Received(1, SIZE, "eof")
    with socks.connect(proxy, sink_target.address) as sock:
        request(sock, 2, SIZE)
        send_pattern(sock, 2, SIZE)
    assert sink_target.outcome() == Received(2, SIZE, "eof")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(start_pair: StartPair, serve: StartTarget, layout: str) -> None:
    pair = start_pair(layout)
    _transfers(pair.proxy, serve(source), serve(sink))


def _pair_over(ends: Ends, directory: Path) -> Pair:
    return Pair(ends, directory)


def test_a_bare_path_to_a_tty_is_a_serial_line(tmp_path: Path, serve: StartTarget) -> None:
    with PtyCable() as cable, _pair_over(Ends(*cable.devices), tmp_path) as pair:
        pair.start()
        _transfers(pair.proxy, serve(source), serve(sink))


def test_a_serial_line_with_a_baud_rate(tmp_path: Path, serve: StartTarget) -> None:
    with PtyCable() as cable:
        guest, host = (f"serial:{device}?baudrate=115200" for device in cable.devices)
        with _pair_over(Ends(guest, host), tmp_path) as pair:
            pair.start()
            _transfers(pair.proxy, serve(source), serve(sink))


def test_a_bare_path_to_a_socket_is_connected_to(tmp_path: Path, serve: StartTarget) -> None:
    path = tmp_path / "channel"
    with _pair_over(Ends(f"unix-listen:{path}", str(path)), tmp_path) as pair:
        pair.start_guest()
        eventually(lambda: _assert_socket(path))
        pair.start_host()
        pair.wait_session()
        _transfers(pair.proxy, serve(source), serve(sink))


def _assert_socket(path: Path) -> None:
    assert path.is_socket()


def test_a_listening_channel_takes_no_other_file_for_its_own(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("not a socket")
    arguments = ("guest", "--channel", f"unix-listen:{path}", "--listen", "127.0.0.1:0")
    with Daemon(arguments, tmp_path / "guest.log") as guest:
        assert guest.wait() != 0
    assert path.read_text() == "not a socket"


def test_relative_paths(tmp_path: Path, serve: StartTarget) -> None:
    arguments = ("guest", "--channel", "unix-listen:channel", "--listen", "127.0.0.1:0")
    with (
        Daemon(arguments, tmp_path / "guest.log", directory=tmp_path) as guest,
        Daemon(
            ("host", "--channel", "unix:channel", "--allow", "127.0.0.0/8"),
            tmp_path / "host.log",
            directory=tmp_path,
        ) as host,
    ):
        port = int(guest.wait_for_log(LISTENING)[1])
        guest.wait_for_log(SESSION_UP)
        host.wait_for_log(SESSION_UP)
        _transfers(("127.0.0.1", port), serve(source), serve(sink))


def test_the_guest_runs_from_a_bare_copy_on_the_standard_library(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path
) -> None:
    package = Path(vsocks.__file__).parent
    bare = tmp_path / "bare"
    shutil.copytree(package, bare / "vsocks", ignore=shutil.ignore_patterns("__pycache__"))
    pair = start_pair(start=False)
    arguments = ("guest", "--channel", pair.ends.guest, "--listen", "127.0.0.1:0")
    without_site_packages = (os.path.realpath(sys.executable), "-S", "-E")
    with Daemon(
        arguments, tmp_path / "bare.log", interpreter=without_site_packages, directory=bare
    ) as guest:
        port = int(guest.wait_for_log(LISTENING)[1])
        pair.start_host()
        guest.wait_for_log(SESSION_UP)
        pair.host.wait_for_log(SESSION_UP)
        _transfers(("127.0.0.1", port), serve(source), serve(sink))


def test_a_channel_that_ends_again_and_again_is_told_of_once(tmp_path: Path) -> None:
    """Somebody takes the connection and hangs up: the log must not fill with that."""
    path = tmp_path / "channel"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(20)
        with Daemon(("host", "--channel", f"unix:{path}"), tmp_path / "host.log") as host:
            for _ in range(6):
                listener.accept()[0].close()
            opened = [line for line in host.lines if "channel open" in line]
            assert 1 <= len(opened) <= 2, host.lines
