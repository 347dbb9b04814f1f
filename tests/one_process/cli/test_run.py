"""From the words of a command line to a daemon that serves, and to its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from vsocks.aio import pending_io
from vsocks.cli import logs, run
from vsocks.cli.main import main
from vsocks.errors import VsocksError

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


@pytest.fixture(autouse=True)
def logger() -> Iterator[None]:
    """The daemons set their logger up; the next test gets it as it was."""
    ours = logging.getLogger("vsocks")
    before = ours.handlers, ours.propagate, ours.level
    yield
    ours.handlers, ours.propagate, ours.level = before


class Lines(logging.Handler):
    """Calls somebody when a line has come that he waits for."""

    def __init__(self, waited_for: str, then: Callable[[], None]) -> None:
        super().__init__()
        self.waited_for = waited_for
        self.then = then
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if self.waited_for in self.lines[-1]:
            self.then()


@pytest.fixture
def run_until(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[str]], list[str]]:
    """Runs a command until it logs something, then ends it by a signal; returns its lines."""

    def run(waited_for: str, arguments: list[str]) -> list[str]:
        handler = Lines(waited_for, lambda: os.kill(os.getpid(), signal.SIGTERM))
        configure = logs.configure
        monkeypatch.setattr(
            logs,
            "configure",
            lambda *, verbose, as_json: configure(
                verbose=verbose, as_json=as_json, handlers=[handler]
            ),
        )
        assert threading.current_thread() is threading.main_thread()
        assert main(arguments) == 0
        return handler.lines

    return run


HOST = [
    *("--allow", "127.0.0.0/8", "--deny", "*.test:80-90", "--allow-bind", "127.0.0.1"),
    *("--forward", "127.0.0.1:0:127.0.0.1:22", "--forward", "0:[::1]:22"),
    *("--dns-server", "127.0.0.1:5353", "--connect-rate", "10", "--log-format", "json"),
]
GUEST = [
    *("--listen", "127.0.0.1:0", "--dns", "127.0.0.1:0", "--expose", "22", "--user", "me:secret"),
    *("--expose", "[::1]:22", "--max-streams", "4", "--max-header-size", "2048"),
]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(("command", "options"), [("host", HOST), ("guest", GUEST)])
def test_a_daemon_starts_and_ends(
    run_until: Callable[[str, list[str]], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    options: list[str],
    loop: str,
) -> None:
    monkeypatch.setenv("VSOCKS_LOOP", loop)
    channel = f"unix-listen:{tmp_path}/channel"
    lines = run_until("waiting for the channel", [command, "-v", "--channel", channel, *options])
    assert any(f"event loop: {loop}" in line for line in lines)
    assert any("ready for" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["host", "--channel", "nonsense"], "it names no kind"),
        (["host", "--channel", "unix:x", "--forward", "1:2"], "--forward"),
        (["host", "--channel", "unix:x", "--allow", "a b"], "--allow"),
        (["host", "--channel", "unix:x", "--allow-bind", "name"], "--allow-bind"),
        (["host", "--channel", "unix:x", "--dns-server", "x y"], "--dns-server"),
        (["guest", "--listen", "nonsense"], "--listen"),
        (["guest", "--expose", "x"], "--expose"),
        (["guest", "--max-streams", "0"], "--max-streams"),
        (["guest", "--max-header-size", "1"], "--max-header-size"),
        (["guest", "--handshake-timeout", "0"], "--handshake-timeout"),
        (["guest", "--users-file", "/does/not/exist", "--channel", "unix:x"], "can't read"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    try:
        status = main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    told = capsys.readouterr().err
    assert says in told
    assert len(told.splitlines()) == 1


def test_an_address_that_is_not_ours_is_no_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guest", "--listen", "192.0.2.1:80", "--channel", "unix:x"]) == 69
    assert "can't listen on 192.0.2.1" in capsys.readouterr().err


def test_users_come_from_a_file_and_the_environment(
    run_until: Callable[[str, list[str]], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    users = tmp_path / "users"
    users.write_text("me:secret\n")
    users.chmod(0o644)
    monkeypatch.setenv("VSOCKS_USERS", "you:too")
    channel = f"unix-listen:{tmp_path}/channel"
    arguments = ["guest", "--channel", channel, "--listen", "127.0.0.1:0"]
    lines = run_until("waiting for the channel", [*arguments, "--users-file", str(users)])
    assert any("can be read by others" in line for line in lines)


def test_the_event_loop_is_one_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSOCKS_LOOP", "nonsense")
    assert main(["guest", "--channel", "unix:x", "--listen", "127.0.0.1:0"]) == 2
    assert asyncio.get_event_loop_policy()


@pytest.mark.parametrize("failure", [None, ValueError("a fault"), VsocksError("no port")])
def test_what_can_not_be_ended_does_not_hold_up_the_end_of_the_process(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    """On Windows the event loop's end would wait for a write that can't be cancelled."""

    async def serve(*_: object) -> None:
        if failure is not None:
            raise failure

    async def have_ended(**_: object) -> bool:
        return False

    def end_process(status: int) -> NoReturn:
        raise SystemExit(status)

    monkeypatch.setattr(run, "serve", serve)
    monkeypatch.setattr(pending_io, "have_ended", have_ended)
    monkeypatch.setattr(os, "_exit", end_process)
    with pytest.raises(SystemExit) as end:
        run.run_until_signal(lambda: pytest.fail("nobody asks for it"))
    assert end.value.code == (0 if failure is None else 1)
    assert failure is None or str(failure) in caplog.text
