"""What a daemon gives itself at start: descriptors enough, no more rights, and a line about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.support.daemon import Daemon

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

COMMANDS = [
    (
        "host",
        r"ready for 256 connections in \d+ MiB, 64 associations, 200 connects/s, .* of (\d+) ",
    ),
    ("guest", r"ready for 64 connections in \d+ MiB, 48 associations, .* of (\d+) descriptors"),
]


def daemon(command: str, directory: Path, *prefix: str) -> Daemon:
    listen = ("--listen", "127.0.0.1:0") if command == "guest" else ()
    arguments = (command, "--channel", f"unix-listen:{directory}/channel", *listen)
    return Daemon(arguments, directory / "log", prefix=prefix)


def proc(process: Daemon, file: str, key: str) -> str:
    """A line of /proc."""
    lines = Path(f"/proc/{process.pid}/{file}").read_text().splitlines()
    return next(line for line in lines if line.startswith(key))


@pytest.mark.parametrize(("command", "says"), COMMANDS)
def test_the_soft_limit_is_raised_to_what_is_needed(
    tmp_path: Path, command: str, says: str
) -> None:
    with daemon(command, tmp_path, "prlimit", "--nofile=100:4096") as process:
        allowed = int(process.wait_for_log(says, failure="only")[1])
        assert 100 < allowed < 4096
        assert proc(process, "limits", "Max open files").split()[3:5] == [str(allowed), "4096"]


@pytest.mark.parametrize(("command", "says"), COMMANDS)
def test_too_low_a_hard_limit_is_said(tmp_path: Path, command: str, says: str) -> None:
    with daemon(command, tmp_path, "prlimit", "--nofile=100:100") as process:
        process.wait_for_log(r"only 100 descriptors can be had, .* raise the limit \(ulimit -n")
        assert process.wait_for_log(says)[1] == "100"


@pytest.mark.parametrize("command", ["host", "guest"])
def test_it_can_have_no_more_rights(tmp_path: Path, command: str) -> None:
    with daemon(command, tmp_path) as process:
        process.wait_for_log("ready for")
        assert proc(process, "status", "NoNewPrivs").split()[1] == "1"
