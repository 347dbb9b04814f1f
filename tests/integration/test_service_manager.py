"""What both daemons tell the service manager that started them, and the units for systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support.daemon import Daemon
from tests.integration.support.service_manager import ServiceManager

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

UNITS = Path(__file__).parents[2] / "vsocks" / "data" / "systemd"
HOST_UNIT = (UNITS / "vsocks-host.service").read_text()
MOST_EXPOSURE = 2.0
needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze isn't installed"
)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    with ServiceManager(tmp_path) as manager:
        yield manager


@pytest.mark.parametrize(
    "arguments", [("host",), ("guest", "--listen", "127.0.0.1:0")], ids=lambda words: words[0]
)
def test_a_daemon_tells_how_it_is(
    manager: ServiceManager, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    channel = ("--channel", f"unix:{tmp_path}/channel")
    environment = {**manager.environment, "WATCHDOG_USEC": "20000"}
    with Daemon((*arguments, *channel), tmp_path / "log", environment=environment) as daemon:
        ready = manager.wait_told("READY=1")
        assert manager.told[ready + 1].startswith("STATUS=ready for ")
        first = manager.wait_told("WATCHDOG=1", since=ready)
        manager.wait_told("WATCHDOG=1", since=first + 1)
        assert "STOPPING=1" not in manager.told
        daemon.stop()
        manager.wait_told("STOPPING=1", since=ready)


def test_no_watchdog_is_fed_that_is_meant_for_another_process(
    manager: ServiceManager, tmp_path: Path
) -> None:
    environment = {**manager.environment, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}
    arguments = ("host", "--channel", f"unix:{tmp_path}/channel")
    with Daemon(arguments, tmp_path / "log", environment=environment) as daemon:
        manager.wait_told("READY=1")
        daemon.stop()
        manager.wait_told("STOPPING=1")
    assert "WATCHDOG=1" not in manager.told


def test_a_service_manager_that_has_gone_disturbs_nothing(tmp_path: Path) -> None:
    arguments = ("host", "--channel", f"unix:{tmp_path}/channel")
    environment = {"NOTIFY_SOCKET": str(tmp_path / "none")}
    with Daemon(arguments, tmp_path / "log", environment=environment) as daemon:
        daemon.wait_for_log("service manager can't be told READY=1: No such file")
        daemon.wait_for_log("waiting for the channel")


def test_the_hosts_unit_serves_what_its_file_and_its_options_name(tmp_path: Path) -> None:
    command = re.search("^ExecStart=/usr/bin/vsocks (.*)$", HOST_UNIT, re.MULTILINE)
    assert command
    # As it comes along, but for the folder, which systemd makes.
    example, file = tmp_path / "example.toml", tmp_path / "host.toml"
    text = (UNITS.parent / "host.toml").read_text().replace("/run/vsocks", str(tmp_path))
    example.write_text(text)
    file.write_text(text + f'[machine.a]\nchannel = "unix:{tmp_path}/a"\n')
    words = command[1].replace("/etc/vsocks/host.toml", str(file))
    with Daemon(words.replace(" $VSOCKS_OPTIONS", "").split(), tmp_path / "log") as daemon:
        daemon.wait_for_log(f" a: waiting for the channel unix:{tmp_path}/a")
    words = command[1].replace("/etc/vsocks/host.toml", str(example))
    words = words.replace("$VSOCKS_OPTIONS", f"--channel unix:{tmp_path}/b")
    with Daemon(words.split(), tmp_path / "log") as daemon:
        daemon.wait_for_log(f"waiting for the channel unix:{tmp_path}/b")


@needs_systemd
@pytest.mark.parametrize("unit", ["vsocks-host.service", "vsocks-guest.service"])
def test_a_unit_that_systemd_understands(unit: str, tmp_path: Path) -> None:
    """But for its program and its manual, which need not be installed here."""
    text = (UNITS / unit).read_text()
    text = re.sub(r"^ExecStart=/usr/bin/vsocks", "ExecStart=/bin/true", text, flags=re.MULTILINE)
    text = re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE)
    (tmp_path / unit).write_text(text)
    verify = _systemd_analyze("verify", "--man=no", str(tmp_path / unit))
    about_ours = [line for line in verify.stderr.splitlines() if unit in line]
    assert not about_ours
    assert not verify.returncode, verify.stderr


@needs_systemd
@pytest.mark.parametrize("unit", ["vsocks-host.service", "vsocks-guest.service"])
def test_a_unit_that_may_do_little(unit: str) -> None:
    limit = f"--threshold={MOST_EXPOSURE * 10:.0f}"
    judged = _systemd_analyze("security", "--offline=true", limit, str(UNITS / unit))
    assert not judged.returncode, judged.stdout


def _systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
