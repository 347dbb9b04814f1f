"""A channel for a QEMU that runs: added and taken away over QMP. The machines have no guest."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.support.alone import connect_unix
from tests.integration.support.command_line import UNAVAILABLE, assert_refused, run
from tests.integration.support.stopped_qemu import ROOT_PORT, stopped_machine
from tests.integration.support.waiting import DEADLINE

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="there is no QEMU here"),
]

StartMachine = Callable[..., Path]


@pytest.fixture
def start_machine(tmp_path: Path) -> Iterator[StartMachine]:
    """Starts a machine that never runs an instruction; returns its QMP socket."""
    with ExitStack() as running:

        def start(*options: str) -> Path:
            return running.enter_context(stopped_machine(tmp_path, *options))

        yield start


def attach(qmp: Path, path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return run("attach", "--qmp", str(qmp), "--socket", str(path), *more)


def detach(qmp: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return run("detach", "--qmp", str(qmp), *more)


def test_it_comes_and_goes_and_comes_again(start_machine: StartMachine, tmp_path: Path) -> None:
    qmp, path = start_machine(*ROOT_PORT), tmp_path / "channel"
    for _ in range(2):
        done = attach(qmp, path)
        assert (done.returncode, done.stdout) == (0, f"unix:{path}\n"), done.stderr
        connect_unix(path).close()
        done = detach(qmp)
        assert (done.returncode, done.stderr) == (0, "")
        assert not path.exists()


def test_it_is_there_already(start_machine: StartMachine, tmp_path: Path) -> None:
    qmp, path = start_machine("-machine", "pc"), tmp_path / "channel"
    assert attach(qmp, path).returncode == 0
    says = "the machine has 'vsocks' already: detach it first"
    assert_refused(attach(qmp, tmp_path / "other"), says, status=UNAVAILABLE)
    connect_unix(path).close()
    done = attach(qmp, tmp_path / "other", "--id", "second")
    assert_refused(done, "the machine has a port org.vsocks.0 already", status=UNAVAILABLE)
    done = attach(qmp, tmp_path / "other", "--id", "second", "--name", "org.vsocks.1")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_machine_without_a_slot(start_machine: StartMachine, tmp_path: Path) -> None:
    qmp = start_machine("-machine", "q35")
    for _ in range(2):  # nothing of the first attempt stays
        done = attach(qmp, tmp_path / "channel")
        assert_refused(done, "no free PCI slot", "-device pcie-root-port", status=UNAVAILABLE)
    assert_refused(detach(qmp), "the machine has no 'vsocks'", status=UNAVAILABLE)


def test_a_slot_that_is_taken(start_machine: StartMachine, tmp_path: Path) -> None:
    qmp = start_machine(*ROOT_PORT)
    assert attach(qmp, tmp_path / "channel").returncode == 0
    done = attach(qmp, tmp_path / "other", "--id", "second", "--name", "org.vsocks.1")
    assert_refused(done, "no free PCI slot", status=UNAVAILABLE)


def test_a_machine_without_pci(start_machine: StartMachine, tmp_path: Path) -> None:
    done = attach(start_machine("-machine", "none"), tmp_path / "channel")
    assert_refused(done, "has no PCI bus", status=UNAVAILABLE)


def test_a_guest_that_does_not_let_it_go(start_machine: StartMachine, tmp_path: Path) -> None:
    qmp, path = start_machine("-machine", "pc"), tmp_path / "channel"
    assert attach(qmp, path).returncode == 0
    done = detach(qmp, "--wait", "1")
    assert_refused(done, "has not let vsocks-controller go within 1 s", status=UNAVAILABLE)
    assert not path.exists()


def test_a_qmp_socket_that_another_program_has(start_machine: StartMachine, tmp_path: Path) -> None:
    qmp = start_machine("-machine", "none")
    with connect_unix(qmp) as other:
        other.settimeout(DEADLINE)
        assert b"QMP" in other.recv(4096)
        done = attach(qmp, tmp_path / "channel")
    assert_refused(done, "it serves one program at a time", "second -qmp", status=UNAVAILABLE)


def test_no_qmp_socket(tmp_path: Path) -> None:
    done = attach(tmp_path / "qmp", tmp_path / "channel")
    assert_refused(done, f"{tmp_path}/qmp: No such file", status=UNAVAILABLE)
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(tmp_path / "qmp"))
        done = attach(tmp_path / "qmp", tmp_path / "channel")
    assert_refused(done, f"{tmp_path}/qmp: Connection refused", status=UNAVAILABLE)


def test_a_path_that_qemu_can_not_listen_at(start_machine: StartMachine, tmp_path: Path) -> None:
    qmp = start_machine("-machine", "pc")
    done = attach(qmp, tmp_path / "missing" / "channel")
    assert_refused(done, "QEMU refuses chardev-add", "No such file", status=UNAVAILABLE)
