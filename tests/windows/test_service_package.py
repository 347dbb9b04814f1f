"""What the MSI calls, with the real service manager, and a stand-in for the installed program."""

from __future__ import annotations

import logging
import sys
import winreg
from collections.abc import Iterator
from pathlib import Path

import pytest

assert sys.platform == "win32"

from tests.windows.own_service import service_name
from vsocks.cli import windows_main
from vsocks.windows import eventlog, firewall, installed, manager, proxy_commands


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with service_name(monkeypatch) as name:
        yield name


@pytest.fixture
def told(
    monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[list[str]]:
    """As if we were the installed program, with folders of our own; what the event log is told."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "vsocks" / "vsocks-guest.exe"))
    monkeypatch.setattr(installed, "_known_folder", lambda _number: tmp_path)
    monkeypatch.setattr(firewall, "set_rules", lambda *_: "")
    monkeypatch.setattr(proxy_commands, "turn_off_ours", lambda: sys.stdout.write("proxy off\n"))
    told: list[str] = []
    monkeypatch.setattr(
        eventlog.EventLogHandler, "emit", lambda _, record: told.append(record.getMessage())
    )
    logger = logging.getLogger("vsocks")
    before = logger.handlers
    yield told
    logger.handlers = before


def does(*words: str) -> int:
    return windows_main.main(["service", *words])


def test_a_service_is_registered_and_keeps_its_settings(
    told: list[str], name: str, tmp_path: Path
) -> None:
    settings = tmp_path / "vsocks" / "guest.toml"
    command = [sys.executable, "service", "run", "--config", str(settings)]
    assert does("register", "--listen", "127.0.0.1:1", "--max-streams", "7") == 0
    assert manager.words_of(name) == command
    before = settings.read_text()
    assert "127.0.0.1:1" in before
    # As a repair and an upgrade do, whatever the service's command line is meanwhile.
    manager.set_command(name, "another program")
    assert does("register") == 0
    assert manager.words_of(name) == command
    assert settings.read_text() == before
    assert does("register", "--listen", "127.0.0.1:2") == 0
    assert "max-streams" not in settings.read_text()
    assert not told


def test_it_is_removed_and_nothing_is_left_but_the_settings(
    told: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = rf"SYSTEM\CurrentControlSet\Services\EventLog\Application\{name}"
    does("register")
    winreg.CloseKey(winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key))
    assert does("unregister") == 0
    assert not manager.exists(name)
    assert (tmp_path / "vsocks" / "guest.toml").exists()
    with pytest.raises(FileNotFoundError):
        winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key)
    assert "proxy off" in capsys.readouterr().out
    # Also after somebody has done it by hand.
    assert does("unregister") == 0
    assert not told


def test_users_are_taken_from_a_file_that_may_go(
    told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    users = tmp_path / "beside-the-msi.txt"
    users.write_text("alice:secret\n")
    assert does("register", "--users-file", str(users)) == 0
    assert (tmp_path / "vsocks" / "users.txt").read_text() == "alice:secret\n"
    assert "beside-the-msi" not in (tmp_path / "vsocks" / "guest.toml").read_text()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--user", "alice:secret"], "a password would stand in Windows Installer's log"),
        (["--listen", "nonsense"], "'nonsense' is not ADDR:PORT"),
        (["--users-file", r"C:\there\is\none"], "can't read C:"),
        (["--users-file", "users.txt"], "say where users.txt is in full"),
    ],
)
def test_what_is_wrong_is_in_the_event_log(
    told: list[str], name: str, words: list[str], problem: str
) -> None:
    assert does("register", *words) == 2
    (line,) = told
    assert line.startswith("the MSI can't go on: ")
    assert problem in line
    assert not manager.exists(name)


def test_only_the_installed_program_can_be_registered(
    told: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "vsocks-guest.exe"))
    assert does("register") == 1
    assert "which an MSI has put there" in told[0]


def test_what_is_windows_installers_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installed, "_KEY", r"SOFTWARE\vsocks-test")
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, installed._KEY) as key:
        winreg.SetValueEx(key, "ProductCode", 0, winreg.REG_SZ, "{1-2}")
    try:
        for action in ("install", "upgrade", "uninstall"):
            assert does(action) == 1
            assert "msiexec /x {1-2}" in capsys.readouterr().err
    finally:
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, installed._KEY)
