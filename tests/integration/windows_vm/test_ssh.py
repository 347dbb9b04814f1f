"""A connection by SSH, against a real OpenSSH server."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from harness.ssh import SSH
from harness.transcript import Transcript
from harness.windows.build import make_key
from tests.integration.windows_vm.sshd import Server, free_port, sshd

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("sshd")) as it:
        yield it


@pytest.fixture
def ssh(server: Server) -> Iterator[SSH]:
    it = SSH(server.access)
    yield it
    it.close()


def test_a_command_gives_output_errors_and_status(ssh: SSH) -> None:
    result = ssh.run("echo out; echo err >&2; exit 7", timeout=10)
    assert (result.stdout, result.stderr, result.status) == ("out\n", "err\n", 7)


def test_much_output_on_both_sides_stops_nothing(ssh: SSH) -> None:
    both = "head -c 5000000 /dev/zero >&2; head -c 5000000 /dev/zero"
    result = ssh.run(both, timeout=30)
    assert (len(result.stdout), len(result.stderr)) == (5_000_000, 5_000_000)


def test_a_silent_command_is_given_up(ssh: SSH) -> None:
    with pytest.raises(TimeoutError, match=r"silent for 0.5 s: sleep 60"):
        ssh.run("sleep 60", timeout=0.5)
    assert ssh.run("echo still there", timeout=10).stdout == "still there\n"


def test_a_log_is_followed_until_its_end(ssh: SSH) -> None:
    transcript = Transcript("it")
    ssh.follow("echo one; echo two >&2; sleep 0.1; echo three", transcript)
    for word in ("one", "two", "three"):
        transcript.wait(word, timeout=10)
    with pytest.raises(Exception, match="end of file"):
        transcript.wait("four", timeout=10)


def test_a_file_arrives_whole(ssh: SSH, tmp_path: Path) -> None:
    data = os.urandom(3_000_001)
    ssh.put(data, str(tmp_path / "data"))
    arrived = (tmp_path / "data").read_bytes()
    assert hashlib.sha256(arrived).digest() == hashlib.sha256(data).digest()


def test_a_connection_is_made_anew_after_the_server_was_away(tmp_path: Path) -> None:
    with sshd(tmp_path) as first:
        ssh = SSH(first.access)
        assert ssh.run("exit 0", timeout=10).status == 0
    with sshd(tmp_path, port=first.access.port):
        ssh.connect()
        assert ssh.run("exit 0", timeout=10).status == 0
        ssh.close()


def test_a_server_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    with sshd(tmp_path) as first:
        late = replace(first.access, port=port)
    up = threading.Event()

    def serve() -> None:
        with sshd(tmp_path, port=port):
            up.wait(20)

    thread = threading.Timer(1, serve)
    thread.start()
    ssh = SSH(late)
    assert ssh.run("exit 0", timeout=10).status == 0
    ssh.close()
    up.set()
    thread.join(20)


def test_nobody_there_is_told_in_time(tmp_path: Path, server: Server) -> None:
    nobody = replace(server.access, port=free_port())
    with pytest.raises(ConnectionError, match=r"no SSH server answered within 0.3 s"):
        SSH(nobody, timeout=0.3)


def test_another_server_than_the_known_one_is_refused(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text().split()[1]
    with pytest.raises(paramiko.BadHostKeyException):
        SSH(replace(server.access, host_key=other))


def test_a_key_that_does_not_open_is_no_reason_to_try_again(server: Server, tmp_path: Path) -> None:
    make_key(tmp_path / "wrong")
    with pytest.raises(paramiko.AuthenticationException):
        SSH(replace(server.access, key=tmp_path / "wrong"))


def test_a_command_that_ends_with_the_connection_is_noticed(tmp_path: Path) -> None:
    with sshd(tmp_path) as server:
        ssh = SSH(server.access)
        transcript = Transcript("it")
        command = f"{sys.executable} -u -c \"import time; print('up'); time.sleep(60)\""
        ssh.follow(command, transcript)
        transcript.wait("up", timeout=10)
        ssh.close()
        with pytest.raises(Exception, match="end of file"):
            transcript.wait("never", timeout=10)
