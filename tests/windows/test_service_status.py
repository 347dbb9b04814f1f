"""What `service status` asks: the daemon, the driver's file, and what the firewall is told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

assert sys.platform == "win32"

from vsocks.address import Target
from vsocks.cli import service_status
from vsocks.windows import driver, firewall

STATUS = {
    "version": "1.2.3",
    "channel": "virtio:org.vsocks.0",
    "channel_open": True,
    "session": False,
    "connections": 3,
    "max_connections": 64,
    "associations": 1,
    "max_associations": 48,
}


@contextmanager
def answering(answer: bytes) -> Iterator[Target]:
    """A server for one client, which gets this, and then the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1000)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Target(*server.getsockname())
        finally:
            thread.join()


def test_a_daemon_tells_how_it_is() -> None:
    page = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(STATUS).encode()
    with answering(page) as proxy:
        lines = service_status.describe_daemon(proxy)
    assert lines == [
        f"version 1.2.3, proxy at {proxy}",
        "channel virtio:org.vsocks.0: open",
        "session with the host: none",
        "connections: 3 of 64",
        "UDP associations: 1 of 48",
    ]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 70_000,
    ],
)
def test_something_else_answers(answer: bytes) -> None:
    with answering(answer) as proxy:
        (line,) = service_status.describe_daemon(proxy)
    assert line.startswith(f"it does not tell its status at {proxy}: ")


def test_what_it_says_is_no_command_for_the_terminal() -> None:
    page = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(STATUS | {"version": "\x1b[2J"}).encode()
    with answering(page) as proxy:
        assert service_status.describe_daemon(proxy)[0].startswith("version ?[2J")


def test_the_version_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a program that has one: this Python. There is no driver in Wine."""
    version = driver.file_version(Path(sys.executable))
    assert version.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert driver.file_version(tmp_path) == ""
    monkeypatch.setattr(driver, "system_folder", lambda: tmp_path)
    assert driver.driver_version() == ""
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "vioser.sys").write_bytes(b"no resources")
    assert driver.driver_version() == "unknown"
    (tmp_path / "drivers" / "vioser.sys").unlink()
    os.link(sys.executable, tmp_path / "drivers" / "vioser.sys")
    assert driver.driver_version() == version


def test_a_file_without_a_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has resources, but none with numbers: as the DLL says it, for no such file is at hand."""

    class Version:
        GetFileVersionInfoSizeW = staticmethod(lambda *_: 4)
        GetFileVersionInfoW = staticmethod(lambda *_: 1)
        VerQueryValueW = staticmethod(lambda *_: 0)

    monkeypatch.setattr(driver, "_version", Version)
    assert driver.file_version(tmp_path) == ""


class Netsh:
    """In place of the program, whose advfirewall Wine doesn't have: notes its calls."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.calls: list[list[str]] = []

    def __call__(self, command: list[object], **_: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        self.calls.append(words[3:])
        failed = words[3] in self.failing
        return subprocess.CompletedProcess(words, int(failed), "it\r\nfailed" if failed else "Ok.")


def test_other_machines_are_let_in_where_they_are_meant_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netsh = Netsh("delete")
    monkeypatch.setattr(subprocess, "run", netsh)
    program = Path(r"C:\Program Files\vsocks\vsocks-guest.exe")
    assert firewall.set_rules("it", program, {"TCP": [1080, 53, 53], "UDP": []}) == ""
    assert netsh.calls == [
        ["delete", "rule", "name=it"],
        [
            *("add", "rule", "name=it", "dir=in", "action=allow", f"program={program}"),
            *("protocol=TCP", "localport=53,1080"),
        ],
    ]
    monkeypatch.setattr(subprocess, "run", Netsh("add"))
    assert firewall.set_rules("it", program, {"TCP": [1]}) == "it failed"


def test_a_netsh_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "system_folder", lambda: tmp_path)
    assert firewall.set_rules("it", tmp_path, {"UDP": [53]})
