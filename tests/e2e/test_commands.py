"""`python -m harness`: a machine to play with, by commands as a person gives them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.debian_lab import DebianLab
from harness.door import Door, open_door
from harness.places import ROOT
from harness.running import find_machine, running_machines
from harness.targets import FileServer, serving
from harness.transcript import Pump, Transcript
from tests.e2e.rig import SOON, START
from tests.support.program import running

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("debian")]

CONTENT = b"what only the door leads to\n" * 1000


def harness(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * START,
        check=False,
    )


@pytest.fixture(scope="module")
def door(debian: DebianLab) -> Iterator[Door]:
    with open_door([], debian) as opened:
        yield opened


def test_a_command_runs_with_files_in_and_out_and_its_status_comes_back(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("of the host\n")
    with serving(FileServer(CONTENT)) as files:
        done = harness(
            *("run", "--allow", f"127.0.0.1:{files.port}"),
            *("--put", "in.txt", "--get", "out.txt", "--get", "page"),
            *("--", f"curl -fsS -o page {files.url} && rev in.txt > out.txt; ip route; exit 7"),
            folder=tmp_path,
        )
    assert done.returncode == 7, done.stderr
    assert "default" not in done.stdout
    assert (tmp_path / "out.txt").read_text() == "tsoh eht fo\n"
    assert (tmp_path / "page").read_bytes() == CONTENT


def test_what_cannot_be_fetched_is_said_and_makes_it_fail(tmp_path: Path) -> None:
    done = harness("run", "--get", "no-such-file", "--", "true", folder=tmp_path)
    assert done.returncode == 1
    assert "no-such-file could not be fetched" in done.stderr


def test_a_machine_that_goes_is_told_apart_from_a_command_that_fails(tmp_path: Path) -> None:
    command = harness("run", "--", "exit 255", folder=tmp_path)
    assert (command.returncode, "error" in command.stderr) == (255, False)
    machine = harness("run", "--", "echo o > /proc/sysrq-trigger; sleep 60", folder=tmp_path)
    assert machine.returncode == 125
    assert "the machine has gone while the command ran" in machine.stderr


def test_others_can_look_at_a_machine_that_runs(door: Door, tmp_path: Path) -> None:
    pid = str(door.vm.pid)
    listed = harness("ls", folder=tmp_path).stdout
    assert [line.split()[0] for line in listed.splitlines()].count(pid) == 1
    assert harness("console", "--machine", pid, folder=tmp_path).returncode == 0
    shot = harness("screenshot", "--machine", pid, "screen.png", folder=tmp_path)
    assert shot.returncode == 0, shot.stderr
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")


def test_a_machine_that_has_gone_is_not_listed(debian: DebianLab) -> None:
    with open_door([], debian) as opened:
        machine = find_machine(opened.vm.pid)
    assert machine.pid not in [each.pid for each in running_machines()]


def test_a_prompt_has_the_door_as_its_proxy(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    shown = Transcript("the terminal")
    command = [sys.executable, "-m", "harness", "shell"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with running(
        command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as shell:
        os.close(theirs)
        pump = Pump(os.dup(ours), shown, tmp_path / "terminal.log")
        shown.wait("In another terminal", timeout=2 * START)
        os.write(ours, b"echo $ALL_PROXY $((6 * 7)); tty\n")
        shown.wait(r"socks5h://127\.0\.0\.1:1080 42", timeout=SOON)
        shown.wait("^/dev/pts/", timeout=SOON)
        os.write(ours, b"exit 3\n")
        assert shell.wait(SOON) == 3
    pump.close()
    os.close(ours)
