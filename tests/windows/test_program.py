"""The program itself, run in this process: it ends by Ctrl-C, and with the process above it."""

from __future__ import annotations

import _thread
import asyncio
import gc
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vsocks
from tests.windows.support import free_port, wait_until
from vsocks.aio import pending_io
from vsocks.cli import windows_main

assert sys.platform == "win32"

from vsocks.windows import parent


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
    before = [(number, signal.getsignal(number)) for number in numbers]
    yield
    for number, handler in before:
        signal.signal(number, handler)


def test_who_gives_it_no_place_for_output_is_no_hindrance(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows does for a program without a console, and Windows Installer may."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    windows_main._show_everything()
    print("into nothing")
    print("into nothing", file=sys.stderr)
    sys.stdout.close()
    sys.stderr.close()


def listens(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


def when_it_listens(port: int, act: Callable[[], object]) -> threading.Thread:
    """Act, from another thread, as soon as the daemon is there."""

    def wait() -> None:
        wait_until(lambda: listens(port))
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def run_program(port: int) -> int:
    channel = f"tcp-listen:127.0.0.1:{free_port()}"
    return windows_main.main(["--listen", f"127.0.0.1:{port}", "--channel", channel])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGBREAK])
def test_it_ends_by_ctrl_c_and_ctrl_break(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    other = when_it_listens(port, lambda: _thread.interrupt_main(number))
    assert run_program(port) == 0
    other.join()
    assert f"listening on 127.0.0.1:{port}" in capsys.readouterr().err


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        windows_main.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"vsocks-guest {vsocks.__version__}\n"


@pytest.fixture
def one_file_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[subprocess.Popen[bytes]]:
    """As if we were unpacked into a folder by another process, which ends when it reads a line."""
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    command = [sys.executable, "-c", "import sys; sys.stdin.readline()"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as unpacking:
        monkeypatch.setattr(parent, "parents_id", lambda: unpacking.pid)
        yield unpacking


def test_the_one_file_form_ends_with_its_parent(one_file_form: subprocess.Popen[bytes]) -> None:
    port = free_port()

    def end_parent() -> None:
        one_file_form.communicate(b"\n")

    other = when_it_listens(port, end_parent)
    assert run_program(port) == 0
    other.join()


def test_a_process_knows_its_parent() -> None:
    asked = "from vsocks.windows import parent; print(parent.parents_id())"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True)
    assert int(told.stdout) == os.getpid()
    assert parent.parents_id() != os.getpid()


def test_a_parent_that_may_not_be_watched(
    one_file_form: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "parents_id", lambda: 0x7FFFFFF0)
    port = free_port()
    other = when_it_listens(port, lambda: _thread.interrupt_main(signal.SIGINT))
    assert run_program(port) == 0
    other.join()
    one_file_form.communicate(b"\n")


def test_what_the_system_does_not_end_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio would wait for ever for an operation that can't be cancelled."""

    class ProcessEndedError(Exception):
        pass

    def end_process(status: int) -> None:
        raise ProcessEndedError(status)

    async def never(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(pending_io, "have_ended", never)
    monkeypatch.setattr(os, "_exit", end_process)
    port = free_port()
    other = when_it_listens(port, lambda: _thread.interrupt_main(signal.SIGINT))
    with pytest.raises(ProcessEndedError):
        run_program(port)
    other.join()


# asyncio leaves what it has accepted in vain to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_clients_that_leave_at_once_do_no_harm(capfd: pytest.CaptureFixture[str]) -> None:
    """Windows tells of them when they are accepted; asyncio's own servers end by that."""
    port = free_port()
    answers = []

    def leave_and_come() -> None:
        reset = struct.pack("HH", 1, 0)
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"\x05\x01\x00")
            answers.append(client.recv(2))
        _thread.interrupt_main(signal.SIGINT)

    other = when_it_listens(port, leave_and_come)
    assert run_program(port) == 0
    other.join()
    assert answers == [b"\x05\x00"]
    gc.collect()
    assert "never retrieved" not in capfd.readouterr().err


def test_an_accept_that_fails_is_only_a_client_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What python/cpython#93821 is about, call for call."""
    sock_accept = asyncio.ProactorEventLoop.sock_accept
    failures = [59, 64, 121, 1236, 10054, 10057]

    async def fail_first(
        loop: asyncio.ProactorEventLoop, listener: socket.socket
    ) -> tuple[socket.socket, object]:
        if failures:
            raise OSError(22, "gone", None, failures.pop())
        return await sock_accept(loop, listener)

    monkeypatch.setattr(asyncio.ProactorEventLoop, "sock_accept", fail_first)
    port = free_port()
    other = when_it_listens(port, lambda: _thread.interrupt_main(signal.SIGINT))
    assert run_program(port) == 0
    other.join()
    assert not failures
    assert "accepting a client failed" not in capsys.readouterr().err
