"""The command line: what it takes, and how it says no."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.support.command_line import run
from tests.integration.support.daemon import Daemon
from tests.integration.support.pair import LISTENING
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from tests.support.socks_messages import Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

CHANNEL_FORMS = [
    "unix:PATH",
    "unix-listen:PATH",
    "virtio[:NAME]",
    "serial:DEVICE",
    "tcp:HOST:PORT",
    "tcp-listen:ADDR:PORT",
]
BAD_CHANNELS = [
    "",
    "nonsense",
    "carrier-pigeon:coop",
    "unix:",
    "unix-listen:",
    "serial:",
    "serial:/dev/ttyS0?baudrate=fast",
    "serial:/dev/ttyS0?colour=red",
    "tcp:somewhere",
    "tcp:somewhere:99999",
    "tcp:somewhere:http",
    "tcp-listen:",
    "/dev/null",
    "/",
]


def assert_one_line_error(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode not in (0, None)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize("command", ["guest", "host"])
@pytest.mark.parametrize("spec", BAD_CHANNELS)
def test_a_bad_channel_shows_the_valid_forms(command: str, spec: str) -> None:
    done = run(command, "--channel", spec)
    assert_one_line_error(done)
    missing = [form for form in CHANNEL_FORMS if form not in done.stderr]
    assert missing == [], done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["visitor"],
        ["host"],
        ["guest", "--channel"],
        ["guest", "--nonsense"],
        ["guest", "--channel", "unix:x", "--listen", "nonsense"],
        ["guest", "--channel", "unix:x", "--listen", "127.0.0.1"],
        ["guest", "--channel", "unix:x", "--listen", "127.0.0.1:99999"],
        ["guest", "--channel", "unix:x", "--listen", "not-an-address:80"],
        ["guest", "--channel", "unix:x", "--max-streams", "0"],
        ["guest", "--channel", "unix:x", "--max-streams", "-1"],
        ["guest", "--channel", "unix:x", "--max-streams", "many"],
        ["guest", "--channel", "unix:x", "--max-streams", "70000"],
        ["guest", "--channel", "unix:x", "--wire", "barbed"],
        ["guest", "--channel", "unix:x", "--log-format", "xml"],
        ["guest", "--channel", "unix:x", "--allow", "127.0.0.1"],
        ["host", "--channel", "unix:x", "--wire", "barbed"],
        ["host", "--channel", "unix:x", "--allow", ""],
        ["host", "--channel", "unix:x", "--allow", "10.0.0.1/8"],
        ["host", "--channel", "unix:x", "--deny", "host:99999"],
        ["host", "--channel", "unix:x", "--deny", "host:20-10"],
        ["host", "--channel", "unix:x", "--allow", "a.*.test"],
        ["host", "--channel", "unix:x", "--dial-timeout", "soon"],
        ["host", "--channel", "unix:x", "--dial-timeout", "-1"],
        ["host", "--channel", "unix:x", "--listen", "127.0.0.1:1080"],
    ],
    ids=" ".join,
)
def test_bad_arguments(arguments: list[str]) -> None:
    assert_one_line_error(run(*arguments))


@pytest.mark.parametrize("arguments", [["--help"], ["guest", "--help"], ["host", "--help"]])
def test_help(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: vsocks" in done.stdout


def test_the_console_script_is_the_same() -> None:
    script = Path(sys.executable).with_name("vsocks")
    done = subprocess.run(
        [script, "--help"], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (done.returncode, done.stdout) == (0, run("--help").stdout)


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(
            "guest", "--channel", f"unix-listen:{tmp_path / 'c'}", "--listen", f"127.0.0.1:{port}"
        )
    assert_one_line_error(done)
    assert f"127.0.0.1:{port}" in done.stderr


def test_the_default_listener_is_loopback_1080(tmp_path: Path) -> None:
    with Daemon(("guest", "--channel", f"unix:{tmp_path / 'c'}"), tmp_path / "guest.log") as guest:
        try:
            assert guest.wait_for_log(LISTENING)[1] == "1080"
        except AssertionError:
            if any("1080" in line and "in use" in line for line in guest.lines):
                pytest.skip("port 1080 is in use on this machine")
            raise


def test_an_ipv6_listener(tmp_path: Path) -> None:
    arguments = ("guest", "--channel", f"unix:{tmp_path / 'c'}", "--listen", "[::1]:0")
    with Daemon(arguments, tmp_path / "guest.log") as guest:
        port = int(guest.wait_for_log(r"listening on \[::1\]:(\d+)")[1])
        assert socks.ask(("::1", port), ("127.0.0.1", 1)) == Reply.GENERAL_FAILURE
