"""What Windows' tools print, understood; what our programs in the guest do, as data."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path, PureWindowsPath

import pytest

from harness.guest import CommandError
from harness.places import ROOT
from harness.windows.checklist import Check, Checklist
from harness.windows.guest import checksum_in, has_default_route, listens, service_state_in
from harness.windows.inside import provision
from vsocks import __version__

pytestmark = pytest.mark.unit

NETSTAT = """
Active Connections

  Proto  Local Address          Foreign Address        State
  TCP    0.0.0.0:22             0.0.0.0:0              LISTENING
  TCP    127.0.0.1:10801        0.0.0.0:0              LISTENING
  TCP    127.0.0.1:1080         127.0.0.1:49700        ESTABLISHED
  TCP    10.0.2.15:22           10.0.2.2:40000         ESTABLISHED
  TCP    [::]:135               [::]:0                 LISTENING
"""


def test_listeners_in_netstats_table() -> None:
    assert listens(NETSTAT, 22)
    assert listens(NETSTAT, 135)
    assert listens(NETSTAT, 10801)
    assert not listens(NETSTAT, 1080)
    assert not listens(NETSTAT, 49700)


ROUTES = """
IPv4 Route Table
===========================================================================
Active Routes:
Network Destination        Netmask          Gateway       Interface  Metric
         10.0.2.0    255.255.255.0         On-link         10.0.2.15    281
        127.0.0.0        255.0.0.0         On-link         127.0.0.1    331
        224.0.0.0        240.0.0.0         On-link         127.0.0.1    331
===========================================================================
Persistent Routes:
  None
"""
DEFAULT = "          0.0.0.0          0.0.0.0         10.0.2.2       10.0.2.15     25\n"


def test_a_default_route_in_the_table() -> None:
    assert not has_default_route(ROUTES)
    assert has_default_route(ROUTES.replace("         10.0.2.0 ", DEFAULT + "         10.0.2.0 "))


def test_a_services_state() -> None:
    text = "\nSERVICE_NAME: vsocks-guest\n        STATE              : 4  RUNNING\n   (STOPPABLE)\n"
    assert service_state_in(text) == "RUNNING"
    assert service_state_in("[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\n") == ""


def test_certutils_checksum() -> None:
    sum_ = "0F" * 32
    text = f"SHA256 hash of C:\\a:\r\n{sum_}\r\nCertUtil: -hashfile command completed\r\n"
    assert checksum_in(text) == sum_.lower()
    with pytest.raises(CommandError, match="no checksum in"):
        checksum_in("CertUtil: The system cannot find the file specified.\r\n")


def test_the_driver_is_installed_from_the_disc_by_pnputil() -> None:
    step = provision.driver(PureWindowsPath("E:/vsocks"))
    [command] = step.commands
    assert command == ("pnputil.exe", "/add-driver", r"E:\vsocks\vioser.inf", "/install")
    assert 3010 in step.good


def test_keys_are_for_administrators_and_the_system_alone() -> None:
    [command] = provision.key_permissions().commands
    assert "/inheritance:r" in command
    grants = [after for before, after in pairwise(command) if before == "/grant"]
    assert grants == ["*S-1-5-32-544:F", "*S-1-5-18:F"]


def test_the_servers_own_ssh_is_opened_to_every_network_profile() -> None:
    for built_in in (False, True):
        steps = {step.name: step for step in provision.openssh(built_in)}
        assert ("openssh" in steps) is not built_in
        rule = next(it for it in steps["sshd"].commands if it[0] == "netsh.exe")
        assert "profile=any" in rule
        # No other shell than cmd is left anywhere: all quoting is for cmd.
        commands = [command for step in steps.values() for command in step.commands]
        [about_shells] = [it for it in commands if "DefaultShell" in it]
        assert about_shells[:2] == ("reg.exe", "delete")


def test_no_repair_screen_after_the_reset_button() -> None:
    commands = provision.quiet().commands
    assert ("bcdedit.exe", "/set", "{current}", "recoveryenabled", "no") in commands
    assert ("bcdedit.exe", "/set", "{current}", "bootstatuspolicy", "ignoreallfailures") in commands


def test_a_checklist_goes_on_after_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bad(_: int) -> str:
        raise ValueError("no port")

    def good(subject: int) -> str:
        return f"saw {subject}"

    checks = [Check("one", good), Check("two", bad), Check("three", good)]
    checklist = Checklist(tmp_path / "report.txt")
    checklist.announce(checks)
    assert [checklist.run(it, 7) for it in checks] == [True, False, True]
    assert checklist.conclude() == 1
    told = capsys.readouterr().err
    assert told.count("[ ] ") == 3
    assert "[!] two: no port" in told
    assert "1 not as expected" in told
    report = (tmp_path / "report.txt").read_text()
    assert "Traceback" in report
    # What is pasted into an issue begins with what came out, and tells nothing of this machine.
    assert report.startswith(f"# vsocks {__version__}: make windows-check, 1 not as expected\n")
    assert "\n- [!] two: no port\n- [x] three" in report
    assert str(ROOT) not in report
    assert Checklist(tmp_path / "empty.txt").conclude() == 0
