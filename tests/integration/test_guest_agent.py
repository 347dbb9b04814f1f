"""The harness's way in without a network card, with the true qemu-guest-agent, here on the host."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.agent import Agent, AgentError
from harness.agent_port import AgentPort
from harness.process import HostProcess
from harness.programs import SYSTEM
from harness.targets import payload
from harness.transcript import Transcript
from tests.integration.support.waiting import DEADLINE

PROGRAM = shutil.which("qemu-ga", path=f"{os.environ['PATH']}:{SYSTEM}")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAM is None, reason="needs qemu-guest-agent"),
]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Path]:
    """The socket of an agent."""
    path = tmp_path / "agent.sock"
    command = [str(PROGRAM), "--method=unix-listen", f"--path={path}", f"--statedir={tmp_path}"]
    with HostProcess("qemu-ga", command, tmp_path):
        yield path


@pytest.fixture
def agent(port: Path) -> Iterator[Agent]:
    agent = AgentPort(port)
    yield agent
    agent.close()


def test_a_command_s_output_errors_and_status_come_back(agent: Agent) -> None:
    done = agent.run("echo out; echo err >&2; exit 7", DEADLINE)
    assert (done.stdout, done.stderr, done.status) == ("out\n", "err\n", 7)


@pytest.mark.skipif(os.geteuid() != 0, reason="the agent runs as root, in a guest")
def test_a_command_has_root_s_folder_and_no_input(agent: Agent) -> None:
    assert agent.run("pwd; cat", DEADLINE).stdout == "/root\n"


def test_a_command_that_a_signal_ends_has_the_shell_s_status_for_it(agent: Agent) -> None:
    assert agent.run("kill -9 $$", DEADLINE).status == 137


def test_a_command_that_does_not_end_is_not_waited_for(agent: Agent, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match=r"not over within 0\.1 s: mkfifo"):
        agent.run(f"mkfifo {tmp_path}/never; read < {tmp_path}/never", 0.1)
    agent.ping()
    agent.run(f": > {tmp_path}/never", DEADLINE)


def test_more_output_than_the_agent_keeps_is_no_output(agent: Agent) -> None:
    with pytest.raises(AgentError, match="printed more"):
        agent.run("head -c 17000000 /dev/zero", DEADLINE)


@pytest.mark.parametrize("size", [0, 1, Agent.piece, 2 * Agent.piece + 1])
def test_a_file_comes_back_as_it_went(agent: Agent, tmp_path: Path, size: int) -> None:
    data = payload(size)
    agent.put(data, str(tmp_path / "file"))
    assert (tmp_path / "file").read_bytes() == data
    assert agent.get(str(tmp_path / "file")) == data


def test_a_file_that_is_not_there_is_the_agent_s_error(agent: Agent) -> None:
    with pytest.raises(AgentError, match="No such file"):
        agent.get("/no/such/file")
    agent.ping()


def test_a_file_that_grows_is_followed_to_its_writer_s_end(agent: Agent, tmp_path: Path) -> None:
    path, lives, log = tmp_path / "log", tmp_path / "lives", Transcript("log")
    path.touch()
    lives.touch()
    agent.follow(str(path), lambda: not agent.exists(str(lives)), log)
    for text in ("one", "two"):
        with path.open("a") as file:
            file.write(f"{text}\n")
        log.wait(text, timeout=DEADLINE)
    with path.open("a") as file:
        file.write("the last\n")
    lives.unlink()
    log.wait("the last", timeout=DEADLINE)
