"""What is said when another's machine can't be had, and that nothing of the attempt stays."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from harness.attached import attached
from harness.attached_qemu import AttachedQemu
from harness.qmp import QMP
from harness.ssh import Access
from tests.integration.support.alone import connect_unix
from tests.integration.support.stopped_qemu import ROOT_PORT, stopped_machine
from tests.integration.support.waiting import DEADLINE
from vsocks.errors import UnavailableError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="there is no QEMU here"),
]


def runs(qmp: Path, folder: Path) -> None:
    """Has a machine run that has nothing to boot."""
    monitor = QMP(qmp, folder / "qmp.log")
    monitor.execute("cont")
    monitor.close()


def seen(qmp: Path, folder: Path) -> list[object]:
    """What of a machine could be changed."""
    monitor = QMP(qmp, folder / "qmp.log")
    try:
        chardevs = [
            each["label"] for each in monitor.execute("query-chardev") if "mon" not in each["label"]
        ]
        devices = monitor.execute("qom-list", {"path": "/machine/peripheral"})
        return [monitor.execute("query-status"), chardevs, devices]
    finally:
        monitor.close()


def check_refused(qmp: Path, says: str, ssh: Access | None = None) -> None:
    with pytest.raises(UnavailableError, match=says), attached(qmp=qmp, ssh=ssh, patience=1):
        pytest.fail("it can be had")


def test_nobody_is_there(tmp_path: Path) -> None:
    check_refused(tmp_path / "qmp", "can't speak QMP at .*: No such file")
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(tmp_path / "qmp"))
        check_refused(tmp_path / "qmp", "can't speak QMP at .*: Connection refused")


def test_somebody_else_has_it(tmp_path: Path) -> None:
    with stopped_machine(tmp_path, "-machine", "none") as qmp, connect_unix(qmp) as other:
        other.settimeout(DEADLINE)
        assert b"QMP" in other.recv(4096)
        check_refused(qmp, "it serves one program at a time.* start QEMU with a second -qmp")


def test_a_machine_that_has_not_begun(tmp_path: Path) -> None:
    with stopped_machine(tmp_path, "-machine", "pc") as qmp:
        check_refused(qmp, "in the state 'prelaunch': have it run")


def test_a_machine_that_has_no_place_for_a_port(tmp_path: Path) -> None:
    with stopped_machine(tmp_path, "-machine", "q35") as qmp:
        runs(qmp, tmp_path)
        check_refused(qmp, r"no port org\.vsocks\.\*, and none could be added: .*no free PCI slot")


def test_a_machine_whose_guest_does_not_answer(tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    port = (
        *(
            "-device",
            "virtio-serial-pci",
            "-chardev",
            f"socket,id=ga,path={agent},server=on,wait=off",
        ),
        *("-device", "virtserialport,chardev=ga,name=org.qemu.guest_agent.0"),
    )
    with stopped_machine(tmp_path, *ROOT_PORT, *port) as qmp:
        runs(qmp, tmp_path)
        before = seen(qmp, tmp_path)
        check_refused(qmp, "no guest agent answered at .* within 1 s: is qemu-guest-agent running")
        assert seen(qmp, tmp_path) == before
        with connect_unix(agent):
            check_refused(qmp, "somebody is connected to the guest agent's port")
        assert seen(qmp, tmp_path) == before


def test_a_machine_without_an_agent_s_port(tmp_path: Path) -> None:
    with stopped_machine(tmp_path, *ROOT_PORT) as qmp:
        runs(qmp, tmp_path)
        check_refused(qmp, r"no port org\.qemu\.guest_agent\.0 with a unix socket")


def test_a_server_that_known_hosts_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with stopped_machine(tmp_path, *ROOT_PORT) as qmp:
        runs(qmp, tmp_path)
        access = Access(2222, "root", tmp_path / "key", "")
        check_refused(qmp, r"known_hosts doesn't know \[127\.0\.0\.1\]:2222: connect once", access)


def test_what_was_added_goes_and_what_was_paused_runs_again(tmp_path: Path) -> None:
    with stopped_machine(tmp_path, *ROOT_PORT) as qmp:
        runs(qmp, tmp_path)
        before = seen(qmp, tmp_path)
        with AttachedQemu(qmp, plug=True) as vm:
            vm.pause()
            connect_unix(vm.socket()).close()
        assert seen(qmp, tmp_path) == before
