"""Finding a machine that runs: by what it has told, as long as its process is there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness.running import NoMachineError, RunningMachine, find_machine, running_machines

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def machine(folder: Path, name: str, pid: int) -> RunningMachine:
    place = folder / f"vsocks-vm-{name}"
    place.mkdir()
    told = RunningMachine(place, pid, "Debian, tcg", 2222, "root", "/key", "AAAA")
    told.tell()
    return told


def test_it_is_read_as_it_was_told(tmp_path: Path) -> None:
    told = machine(tmp_path, "a", os.getpid())
    assert running_machines() == [told]
    assert find_machine(None) == find_machine(os.getpid()) == told


def test_a_machine_whose_process_has_ended_is_none(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    machine(tmp_path, "a", ended.pid)
    with pytest.raises(NoMachineError, match="no machine is running; `python -m harness shell`"):
        find_machine(None)


def test_of_several_one_must_be_named(tmp_path: Path) -> None:
    ours, parents = os.getpid(), os.getppid()
    machine(tmp_path, "a", ours)
    machine(tmp_path, "b", parents)
    with pytest.raises(NoMachineError, match=rf"name one: {ours} \(Debian, tcg\), {parents}"):
        find_machine(None)
    assert find_machine(parents).pid == parents
    with pytest.raises(NoMachineError, match=f"no machine has the process 0; there are {ours}"):
        find_machine(0)
