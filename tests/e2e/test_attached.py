"""A QEMU that somebody else has started: attached to, driven, and given back as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.attached import attached
from harness.attached_vm import NotOursError
from harness.debian_lab import DebianLab
from harness.guest import CommandError
from harness.ssh import Access
from harness.testing.pair import SOON, VsocksPair
from harness.transcript import WaitError
from tests.e2e.foreign_qemu import (
    CARD,
    ForeignQemu,
    check_a_page_comes,
    foreign_qemu,
    port_for_vsocks,
)
from tests.integration.support.plugin_run import project, run
from vsocks.errors import UnavailableError

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """With a short path, unlike tmp_path."""
    with tempfile.TemporaryDirectory(prefix="foreign-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def machine(debian: DebianLab, folder: Path) -> Iterator[ForeignQemu]:
    """One without a port for vsocks, for all tests of this module."""
    image, _ = debian.machine()
    with foreign_qemu(image, folder) as machine:
        machine.wait_until_booted()
        yield machine


def test_it_is_driven_and_is_then_as_it_was(machine: ForeignQemu) -> None:
    hardware, software = machine.hardware(), machine.software()
    with attached(qmp=machine.qmp) as (vm, guest):
        guest.deploy()
        guest.upload({"new/file": b"of ours"}, "/opt/of-a-test")
        guest.upload({"one": b"of ours"}, "/var/tmp")
        assert guest.download("/opt/of-a-test/new/file") == b"of ours"
        sleeper = guest.start("sleeper", "sleep 1000")
        guest.succeed("setsid sh -c 'sleep 2000; true' > /dev/null 2>&1 < /dev/null &")
        assert sleeper.is_running()
        vm.screenshot(machine.folder / "screen.png")
        assert (machine.folder / "screen.png").read_bytes().startswith(b"\x89PNG")
        pair = VsocksPair(vm, guest)
        try:
            check_a_page_comes(pair)
            assert vm.port_is_open()
            mark = vm.qmp.mark()
            pair.in_guest[0].kill()
            vm.wait_port(opened=False, timeout=SOON, after=mark)
        finally:
            pair.close()
        assert machine.hardware() != hardware
    machine.check(hardware, software)


def test_one_that_is_paused_is_so_again(machine: ForeignQemu) -> None:
    machine.ask("stop")
    hardware = machine.hardware()
    with attached(qmp=machine.qmp) as (_, guest):
        assert guest.succeed("echo driven") == "driven\n"
    machine.check(hardware)
    machine.ask("cont")


def test_one_that_a_test_has_paused_goes_on(machine: ForeignQemu) -> None:
    hardware, software = machine.hardware(), machine.software()
    with attached(qmp=machine.qmp, plug=False) as (vm, guest):
        guest.deploy()
        vm.pause()
    machine.check(hardware, software)


def test_a_failure_gives_it_back_too(machine: ForeignQemu) -> None:
    hardware, software = machine.hardware(), machine.software()
    with pytest.raises(CommandError), attached(qmp=machine.qmp) as (_, guest):
        guest.succeed(f"touch {guest.scratch}/here; exit 3")
    machine.check(hardware, software)


def test_what_only_its_owner_can_do_is_refused(machine: ForeignQemu) -> None:
    with attached(qmp=machine.qmp, plug=False) as (vm, _):
        for method in (vm.cut_power, vm.migrate, vm.unplug_port, lambda: vm.save_snapshot("x")):
            with pytest.raises(NotOursError, match="somebody else has started"):
                method()
        with pytest.raises(WaitError, match="has its console"):
            vm.console.wait("anything", timeout=SOON)
        with pytest.raises(UnavailableError, match=r"no port org\.vsocks\.0 with a unix socket"):
            vm.socket()


def test_it_is_had_by_one_at_a_time(machine: ForeignQemu) -> None:
    hardware = machine.hardware()
    with (
        attached(qmp=machine.qmp, plug=False),
        pytest.raises(UnavailableError, match="it serves one program at a time"),
        attached(qmp=machine.qmp),
    ):
        pytest.fail("two have it")
    machine.check(hardware)


def test_an_agent_that_somebody_else_has_is_left_to_them(machine: ForeignQemu) -> None:
    from harness.agent_port import AgentPort

    hardware = machine.hardware()
    other = AgentPort(machine.agent)
    try:
        with (
            pytest.raises(
                UnavailableError, match="somebody is connected to the guest agent's port"
            ),
            attached(qmp=machine.qmp),
        ):
            pytest.fail("two have it")
        other.ping()
    finally:
        other.close()
    machine.check(hardware)


TESTS = """
from harness.targets import FileServer, serving

def test_traffic(vsocks_pair, guest):
    with serving(FileServer(b"a page")) as server:
        assert guest.succeed(f"curl -fsS --proxy {vsocks_pair.proxy} {server.url}") == "a page"

def test_again(guest):
    assert guest.succeed("echo $VSOCKS_HARNESS").strip()
    guest.fail("false")

def test_broken(vsocks_pair):
    assert vsocks_pair.guest.run("exit 3").status == 0

def test_two_at_once(vm, shared_vm): pass
"""

SSH_TEST = """
def test_ssh(guest):
    assert guest.succeed("echo $SSH_CONNECTION").strip()
"""


def test_tests_of_a_stranger_run_in_it_one_after_the_other(
    machine: ForeignQemu, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    hardware, software = machine.hardware(), machine.software()
    project(pytester, monkeypatch, TESTS)
    ended, told = run(pytester, f"--vm-qmp={machine.qmp}")
    ended.assert_outcomes(passed=2, failed=1, errors=1)
    assert "is one machine, and a test has it already" in told
    assert "the machine was kept" not in told
    [logs] = (pytester.path / "vm-artifacts").glob("*test_broken")
    assert {"screen.png", "qmp.log", "host-1.log"} <= {path.name for path in logs.iterdir()}
    machine.check(hardware, software)


@pytest.fixture(scope="module")
def carded(debian: DebianLab) -> Iterator[ForeignQemu]:
    """One with a port for vsocks, and a card for SSH."""
    image, _ = debian.machine()
    with tempfile.TemporaryDirectory(prefix="foreign-") as name:
        place = Path(name)
        with foreign_qemu(image, place, *port_for_vsocks(place), *CARD) as machine:
            machine.wait_until_booted()
            yield machine


def test_by_ssh_to_a_machine_whose_port_is_there(debian: DebianLab, carded: ForeignQemu) -> None:
    image, _ = debian.machine()
    software, hardware = carded.software(), carded.hardware()
    access = Access(carded.ssh_port(), "root", image.key, image.host_key)
    with attached(qmp=carded.qmp, ssh=access) as (vm, guest):
        assert vm.socket() == carded.channel
        guest.deploy()
        pair = VsocksPair(vm, guest)
        try:
            check_a_page_comes(pair)
        finally:
            pair.close()
    carded.check(hardware, software)


def test_by_ssh_as_the_user_s_known_hosts_has_it(
    debian: DebianLab,
    carded: ForeignQemu,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, _ = debian.machine()
    port = carded.ssh_port()
    project(pytester, monkeypatch, SSH_TEST)
    monkeypatch.setenv("HOME", str(pytester.path))
    (pytester.path / ".ssh").mkdir()
    known = f"[127.0.0.1]:{port} ssh-ed25519 {image.host_key}\n"
    (pytester.path / ".ssh" / "known_hosts").write_text(known)
    ssh = (f"--vm-ssh=root@127.0.0.1:{port}", f"--vm-ssh-key={image.key}")
    ended, _ = run(pytester, f"--vm-qmp={carded.qmp}", *ssh)
    ended.assert_outcomes(passed=1)
