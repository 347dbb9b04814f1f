"""The pytest plugin in another's tests: machines, what is kept of failures, and ways in."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.testing.pair import SOON, START
from harness.transcript import Pump, Transcript
from tests.integration.support.plugin_run import OPTIONS, project, run

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("debian")]

LINES = re.MULTILINE
OWN = """
from vsocks import __version__
from harness.targets import FileServer, serving

def test_a_machine_of_its_own(vm, guest, vsocks_pair, vm_note):
    guest.upload({"in.txt": b"of the host"}, "/tmp/work")
    writer = guest.start("writer", "rev /tmp/work/in.txt")
    writer.log.wait("tsoh eht fo", timeout=60)
    guest.succeed("rev < /tmp/work/in.txt > /tmp/work/out.txt")
    assert guest.download("/tmp/work/out.txt") == b"tsoh eht fo"
    with serving(FileServer(b"a page")) as server:
        guest.fail(f"curl -fsS --max-time 3 {server.url}")
        assert guest.succeed(f"curl -fsS --proxy {vsocks_pair.proxy} {server.url}") == "a page"
    vm_note(f"QEMU is {vm.pid}")
"""
BROKEN = """
def test_broken(vsocks_pair):
    print("QEMU is", vsocks_pair.vm.pid)
    vsocks_pair.guest.succeed("echo kept > /tmp/of-the-test")
    assert vsocks_pair.guest.run("exit 3").status == 0
"""
SHARED = """
import os
import pytest

@pytest.mark.parametrize("number", range(2))
def test_shared(shared_vm, shared_guest, shared_vsocks_pair, vm_note, number):
    assert shared_guest.has_way_out() is False
    vm_note(f"{os.environ.get('PYTEST_XDIST_WORKER', 'alone')} has {shared_vm.pid}")
"""


@pytest.fixture
def artifacts(pytester: pytest.Pytester) -> Path:
    return pytester.path / "vm-artifacts"


def test_a_machine_of_ones_own(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, artifacts: Path
) -> None:
    project(pytester, monkeypatch, OWN)
    ended, told = run(pytester)
    ended.assert_outcomes(passed=1)
    assert re.search(r"^test_a_machine_of_its_own +Linux +passed .* QEMU is \d+$", told, LINES)
    assert re.search(r"^\d+\.\d s: .*\bdaemons \d", told, LINES)
    assert not artifacts.exists()


def test_what_is_kept_of_a_failure_and_a_machine_that_stays(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, artifacts: Path
) -> None:
    project(pytester, monkeypatch, BROKEN)
    ended, told = run(pytester, "--keep-vm")
    with the_end_of_what_was_kept(told):
        ended.assert_outcomes(failed=1)
        folder = next(artifacts.iterdir())
        assert f"console, screen and logs: {folder}" in told
        names = {path.name for path in folder.iterdir()}
        assert {"console.log", "qmp.log", "qemu.log", "screen.png", "host-1.log"} <= names
        assert "session up" in (folder / "host-1.log").read_text()
        assert "session up" in (folder / "logs-in-guest.txt").read_text()
        [way_in] = re.findall(r"^  get in:   (.*)$", told, LINES)
        inside = subprocess.run(
            ["sh", "-c", way_in],
            input="cat /tmp/of-the-test\n",
            capture_output=True,
            text=True,
            timeout=SOON,
            check=False,
        )
        assert inside.stdout == "kept\n", inside.stderr


@contextmanager
def the_end_of_what_was_kept(told: str) -> Iterator[None]:
    """After the block the machines that a run has left are ended in the way that it told."""
    try:
        yield
    finally:
        for command in re.findall(r"^  end it:   (.*)$", told, LINES):
            subprocess.run(["sh", "-c", command], check=False)


def test_a_machine_that_is_not_to_be_kept_is_gone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, artifacts: Path
) -> None:
    project(pytester, monkeypatch, BROKEN)
    ended, told = run(pytester)
    ended.assert_outcomes(failed=1)
    assert "end it:" not in told
    found = re.search(r"^QEMU is (\d+)$", told, LINES)
    assert found
    assert not Path(f"/proc/{found[1]}").exists()
    assert artifacts.exists()


def test_a_shell_as_soon_as_a_test_has_failed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, BROKEN)
    ours, theirs = pty.openpty()
    shown = Transcript("the terminal")
    command = [sys.executable, "-m", "pytest", *OPTIONS, "--vm-shell-on-failure"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        pump = Pump(os.dup(ours), shown, pytester.path / "terminal.log")
        try:
            shown.wait("a shell in Linux", timeout=2 * START)
            os.write(ours, b"cat /tmp/of-the-test; echo $((6 * 7))\n")
            shown.wait("kept$", timeout=SOON)
            shown.wait("42$", timeout=SOON)
            os.write(ours, b"exit\n")
            assert running.wait(START) == 1
        finally:
            with suppress(ProcessLookupError):
                running.send_signal(signal.SIGTERM)
    pump.close()
    os.close(ours)
    assert shown.find("assert 3 == 0")


def test_workers_have_a_machine_each_and_share_it_among_their_tests(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, SHARED.replace("range(2)", "range(4)"))
    ended, told = run(pytester, "-n", "2", "--dist", "load", "--maxschedchunk", "1")
    ended.assert_outcomes(passed=4)
    seen = re.findall(r"^test_shared\[\d\] +Linux +passed .* (gw\d) has (\d+)$", told, LINES)
    assert len(seen) == 4
    assert len(set(seen)) == 2
    assert len({worker for worker, _ in seen}) == 2
