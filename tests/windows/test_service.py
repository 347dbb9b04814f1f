"""The service manager, and being a service: with the real manager of Windows, or Wine's."""

from __future__ import annotations

import _winapi
import argparse
import contextlib
import logging
import os
import shutil
import socket
import subprocess
import sys
import unittest.mock
from collections.abc import Iterator
from pathlib import Path

import pytest

assert sys.platform == "win32"

import winreg

from tests.support import socks
from tests.windows.own_service import service_name
from tests.windows.support import free_port, run, wait_until
from vsocks.aio import pending_io
from vsocks.cli import (
    service,
    service_logs,
    service_run,
    service_settings,
    windows_main,
)
from vsocks.errors import UsageError
from vsocks.windows import eventlog, firewall, installed, manager, protected
from vsocks.windows.installed import InstallError, Leftovers
from vsocks.windows.manager import ServiceError, State

HERE = Path(__file__).parent
PACKAGE = Path(service.__file__).parents[1]
SHARE_READ, SHARE_DELETE = 1, 4
NOTHING_LEFT = Leftovers(moved=False, stuck=())


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with service_name(monkeypatch) as name:
        yield name


def install_stub(name: str, tmp_path: Path, *arguments: str) -> None:
    """A service that is our program, run from its source, with its lines counted if ours are."""
    if settings := os.environ.get("VSOCKS_COVERAGE"):
        (tmp_path / "coverage-settings").write_text(settings)
        (tmp_path / "python-path").write_text("\n".join(sys.path))
    words = [sys.executable, str(HERE / "service_stub.py"), str(tmp_path), *arguments]
    manager.install(name, name, "for a test", subprocess.list2cmdline(words))


def start(name: str) -> None:
    """Start it. Wine's manager now and then loses touch with a new process (1359): ask again."""
    for _ in range(3):
        try:
            manager.start(name)
        except ServiceError as error:
            if "(1359)" not in str(error):
                raise
        else:
            return
    manager.start(name)


start_once = manager.start


def start_again(name: str) -> None:
    """As above, for a test that has the program do so."""
    for _ in range(3):
        with contextlib.suppress(ServiceError):
            return start_once(name)
    return start_once(name)


def errors_of(tmp_path: Path) -> str:
    path = tmp_path / "stub.txt"
    return path.read_text() if path.exists() else "(no output)"


def test_a_service_runs_serves_and_stops(name: str, tmp_path: Path) -> None:
    listen, channel = free_port(), free_port()
    install_stub(
        name, tmp_path, "--listen", f"127.0.0.1:{listen}", "--channel", f"tcp:127.0.0.1:{channel}"
    )
    assert manager.query(name).state == State.STOPPED
    start(name)
    status = manager.wait_for(name, State.RUNNING, 60)
    assert status.state == State.RUNNING, errors_of(tmp_path)
    assert manager.running_service(name) == status.pid > 0
    manager.start(name)  # once more is no error
    with socket.create_connection(("127.0.0.1", listen), 10) as client:
        socks.greet(client)
    manager.stop(name)
    status = manager.wait_for(name, State.STOPPED, 30)
    assert (status.state, status.exit_code) == (State.STOPPED, 0), errors_of(tmp_path)
    wait_until(lambda: "the program has returned" in errors_of(tmp_path))
    manager.stop(name)
    assert "listening on" in (installed.data_folder() / "guest.log").read_text(encoding="utf-8")


def test_a_service_stops_beside_a_host_that_does_not_read(name: str, tmp_path: Path) -> None:
    """The daemon says goodbye into a full socket, and nobody takes it."""
    listen = free_port()
    with socket.create_server(("127.0.0.1", 0)) as stalled:
        channel = stalled.getsockname()[1]
        install_stub(
            name,
            tmp_path,
            "--listen",
            f"127.0.0.1:{listen}",
            "--channel",
            f"tcp:127.0.0.1:{channel}",
        )
        start(name)
        assert manager.wait_for(name, State.RUNNING, 60).state == State.RUNNING
        manager.stop(name)
        assert manager.wait_for(name, State.STOPPED, 30).state == State.STOPPED


def test_a_daemon_that_does_not_end_is_ended(name: str, tmp_path: Path) -> None:
    install_stub(name, tmp_path, "--hang")
    start(name)
    assert manager.wait_for(name, State.RUNNING, 60).state == State.RUNNING, errors_of(tmp_path)
    manager.stop(name)
    assert manager.wait_for(name, State.STOPPED, 30).state == State.STOPPED, errors_of(tmp_path)


@pytest.mark.parametrize("how", ["--break", "--fail"])
def test_a_service_that_fails_says_so(name: str, tmp_path: Path, how: str) -> None:
    install_stub(name, tmp_path, how)
    start(name)
    wait_until(lambda: manager.query(name).state == State.STOPPED)
    assert manager.query(name).exit_code != 0, errors_of(tmp_path)


def test_any_other_refusal_has_windows_own_words() -> None:
    assert service_run._why_refused(5).startswith("the service manager refused: ")


@pytest.mark.parametrize("failure", [None, ValueError("a fault"), ServiceError("for a test")])
def test_a_write_that_nobody_can_end_is_abandoned_also_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    """The end of the event loop would wait for it, and the manager think that the service runs."""

    async def serve(*_: object, **__: object) -> None:
        if failure is not None:
            raise failure

    async def have_ended(**_: object) -> bool:
        return False

    ended: list[int] = []
    monkeypatch.setattr(service_run, "log_events", lambda *_: None)
    monkeypatch.setattr(service_run, "log_to_file", lambda *_: None)
    monkeypatch.setattr(service_run, "log_as_asked", lambda *_: None)
    monkeypatch.setattr(service_run, "guest_maker", lambda _options, **_: None)
    monkeypatch.setattr(service_run, "serve", serve)
    monkeypatch.setattr(pending_io, "have_ended", have_ended)
    monkeypatch.setattr(os, "_exit", ended.append)
    service = service_run._Service("vsocks-test", argparse.Namespace)
    run(service._serve())
    assert ended == [0 if failure is None else 1]


def test_controls_that_a_service_knows_nothing_of() -> None:
    """And the one that only asks; 120 is ERROR_CALL_NOT_IMPLEMENTED."""
    asked = service_run._Service("vsocks-test", argparse.Namespace)._on_control
    assert [asked(control, 0, None, None) for control in (4, 2, 200)] == [0, 120, 120]


def test_what_is_not_installed_is_said_to_be_so() -> None:
    for act in (manager.query, manager.start, manager.stop, manager.uninstall):
        with pytest.raises(ServiceError, match="it isn't installed"):
            act("vsocks-nonsense")
    assert manager.running_service("vsocks-nonsense") == 0


def test_a_process_that_has_gone_is_not_waited_for() -> None:
    assert manager.wait_for_end(0x7FFFFFF0, 10)
    assert not manager.wait_for_end(os.getpid(), 0.1)


def test_installing_twice_is_refused(name: str, tmp_path: Path) -> None:
    install_stub(name, tmp_path)
    with pytest.raises(ServiceError, match="installed already"):
        install_stub(name, tmp_path)


def test_only_windows_calls_a_service(capsys: pytest.CaptureFixture[str]) -> None:
    assert windows_main.main(["service", "run"]) == 1
    assert "to start the service: service start" in capsys.readouterr().err


def test_a_file_of_users_must_be_found_by_the_service(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users.txt").write_text("alice:secret\n")
    monkeypatch.chdir(tmp_path)
    assert windows_main.main(["service", "install", "--users-file", "users.txt"]) == 2
    assert "say where users.txt is in full" in capsys.readouterr().err


def test_the_source_can_not_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert windows_main.main(["service", "install"]) == 1
    assert "only vsocks-guest.exe can be installed" in capsys.readouterr().err


# -- the commands, with a service that is our program's source -------------------------------


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = windows_main.main(["service", *words])
    told = capsys.readouterr()
    return status, told.out + told.err


def test_start_status_and_uninstall(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = f"tcp-listen:127.0.0.1:{free_port()}"
    listen = f"127.0.0.1:{free_port()}"
    install_stub(name, tmp_path, "--listen", listen, "--channel", channel)
    start(name)
    status, told = command(capsys, "start")
    assert status == 0, told + errors_of(tmp_path)
    assert "is running (process " in told
    assert command(capsys, "status")[0] == 0
    left = Leftovers(moved=True, stuck=(tmp_path / "held.dll",))
    monkeypatch.setattr(installed, "remove_copy", lambda: left)
    status, told = command(capsys, "uninstall")
    assert status == 0, told
    assert "is stopped" in told
    assert "go when Windows restarts" in told
    assert "held.dll is open in another program" in told
    assert command(capsys, "status")[0] == 1


def test_what_runs_is_started_again(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By reconfigure and upgrade; the program stays what it is for this test."""
    channel = f"tcp-listen:127.0.0.1:{free_port()}"
    install_stub(name, tmp_path, "--listen", f"127.0.0.1:{free_port()}", "--channel", channel)
    start(name)
    assert manager.wait_for(name, State.RUNNING, 60).state == State.RUNNING, errors_of(tmp_path)
    monkeypatch.setattr(installed, "install_copy", installed.program)
    monkeypatch.setattr(manager, "set_command", lambda *_: None)
    monkeypatch.setattr(service_settings, "store", lambda _words, **_: tmp_path / "guest.toml")
    (tmp_path / "guest.toml").touch()
    for line in ("reconfigure", "upgrade"):
        process = manager.query(name).pid
        monkeypatch.setattr(manager, "start", lambda _name: start_again(name))
        status, told = command(capsys, line)
        assert status == 0, told + errors_of(tmp_path)
        assert manager.query(name).pid not in {0, process}
        assert "it does not tell its status at 127.0.0.1:1080" in told


def test_settings_that_can_not_be_read_are_told_of(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_words: object) -> None:
        raise UsageError("for a test")

    channel = f"tcp-listen:127.0.0.1:{free_port()}"
    install_stub(name, tmp_path, "--listen", f"127.0.0.1:{free_port()}", "--channel", channel)
    start(name)
    assert manager.wait_for(name, State.RUNNING, 60).state == State.RUNNING, errors_of(tmp_path)
    monkeypatch.setattr(service_settings, "load", refuse)
    status, told = command(capsys, "status")
    assert status == 0
    assert told.endswith("for a test\n")


def test_a_start_that_fails(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_PATIENCE", 3.0)
    install_stub(name, tmp_path, "--break")
    status, told = command(capsys, "start")
    assert status == 1, errors_of(tmp_path)
    assert "it did not start (error " in told
    assert "guest.log" in told


def test_a_stop_that_takes_too_long(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install_stub(name, tmp_path, "--hang")
    start(name)
    assert command(capsys, "start")[0] == 0, errors_of(tmp_path)
    monkeypatch.setattr(service, "_PATIENCE", 0.5)
    status, told = command(capsys, "stop")
    assert status == 1
    assert "it has not stopped within 0.5 s" in told


def test_a_removal_that_takes_too_long(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service stays as long as somebody looks at it, and nobody waits for ever."""
    monkeypatch.setattr(manager, "_REMOVAL_SECONDS", 0.3)
    install_stub(name, tmp_path)
    with manager._service(name, manager._SERVICE_QUERY_STATUS):
        manager.uninstall(name)
        assert manager.exists(name)
    wait_until(lambda: not manager.exists(name))


def test_what_is_half_installed_is_removed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ServiceError("for a test")

    monkeypatch.setattr(manager, "_describe", refuse)
    with pytest.raises(ServiceError, match="for a test"):
        install_stub(name, tmp_path)
    with pytest.raises(ServiceError, match="it isn't installed"):
        manager.query(name)


# -- the whole life, with a stand-in for the built program ---------------------------------


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if the tests ran in the program: where PyInstaller unpacks it, with a stand-in for it."""
    unpacked = tmp_path / "unpacked"
    (unpacked / "service").mkdir(parents=True)
    (unpacked / "library.dll").write_bytes(b"library")
    (unpacked / "service" / "vsocks-guest.exe").write_bytes(b"not a program")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", str(unpacked), raising=False)
    monkeypatch.setattr(service, "_PATIENCE", 5.0)
    return unpacked


def test_the_life_of_an_installation(
    name: str, built: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, program = installed.program_folder(), installed.program()
    settings = installed.data_folder() / "guest.toml"
    monkeypatch.setattr(firewall, "set_rules", lambda *given: str(given[2]) if given[2] else "")
    made = installed.make_data_folder
    monkeypatch.setattr(installed, "make_data_folder", lambda: made() or "moved, for a test")

    assert command(capsys, "status")[0] == 1
    status, told = command(capsys, "install", "--listen", "127.0.0.1:1")
    assert status == 0, told
    assert "will start with Windows" in told
    assert "moved, for a test" in told
    assert (folder / "vsocks-guest.exe").read_bytes() == b"not a program"
    assert (folder / "_internal" / "library.dll").read_bytes() == b"library"
    assert not (folder / "_internal" / "service").exists()
    assert installed.data_folder().is_dir()
    assert "installed already" in command(capsys, "install")[1]
    assert 'listen = ["127.0.0.1:1"]' in settings.read_text()
    assert manager.words_of(name) == [str(program), "service", "run", "--config", str(settings)]
    status, told = command(capsys, "status")
    assert (status, told.splitlines()[0]) == (1, f"{name} is stopped")
    assert "driver of virtio-serial ports: " in told
    told = command(capsys, "reconfigure", "--listen", "0.0.0.0:1", "--dns", "[::]:53")[1]
    assert "0.0.0.0:1" in settings.read_text()
    assert "the firewall has taken no rule" in told
    (built / "service" / "vsocks-guest.exe").write_bytes(b"a newer one")
    status, told = command(capsys, "upgrade")
    assert (status, program.read_bytes()) == (0, b"a newer one"), told
    assert "0.0.0.0:1" in settings.read_text()
    # What is installed is no program, so it can't start.
    assert command(capsys, "start")[0] == 1
    assert command(capsys, "stop") == (0, f"{name} is stopped\n")
    status, told = command(capsys, "uninstall")
    assert status == 0, told
    assert "is uninstalled" in told
    assert not folder.exists()
    assert "isn't installed" in command(capsys, "uninstall")[1]


def test_a_folder_form_copies_itself(
    built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.rmtree(built / "service")
    (tmp_path / "vsocks-guest.exe").write_bytes(b"the program beside its libraries")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "vsocks-guest.exe"))
    try:
        assert installed.install_copy().read_bytes() == b"the program beside its libraries"
    finally:
        assert installed.remove_copy() == NOTHING_LEFT


def opened(path: Path, share: int) -> int:
    """Open for reading, and let others do with it what ``share`` says."""
    return _winapi.CreateFile(
        str(path), _winapi.GENERIC_READ, share, _winapi.NULL, _winapi.OPEN_EXISTING, 0, _winapi.NULL
    )


def marked_for_the_next_start() -> list[str]:
    key = r"SYSTEM\CurrentControlSet\Control\Session Manager"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened_key:
        try:
            return list(winreg.QueryValueEx(opened_key, "PendingFileRenameOperations")[0])
        except FileNotFoundError:
            return []


def test_a_file_in_use_goes_at_the_next_start(built: Path, tmp_path: Path) -> None:
    """From elsewhere: what is installed in its place meanwhile must not go with it."""
    copy = installed.install_copy()
    handle = opened(copy, SHARE_DELETE)
    try:
        # What can be deleted while it is open would be; a program that runs can only be renamed.
        with unittest.mock.patch.object(shutil, "rmtree"):
            left = installed.remove_copy()
    finally:
        _winapi.CloseHandle(handle)
    assert (left.moved, left.stuck) == (True, ())
    assert not copy.exists()
    marked = marked_for_the_next_start()
    folder = installed.program_folder()
    assert [name for name in marked if f"{folder.name}.removed-" in name]
    assert not [name for name in marked if name.endswith((str(copy), str(folder)))]
    for aside in folder.parent.glob(f"{folder.name}.removed-*"):
        shutil.rmtree(aside)
    assert installed.remove_copy() == NOTHING_LEFT


def test_a_file_that_can_not_even_be_moved(built: Path) -> None:
    copy = installed.install_copy()
    handle = opened(copy, SHARE_READ)
    try:
        assert installed.remove_copy().stuck == (copy,)
        assert not [name for name in marked_for_the_next_start() if name.endswith(str(copy))]
        with pytest.raises(InstallError, match="is in use, by another program"):
            installed.install_copy()
    finally:
        _winapi.CloseHandle(handle)
    assert installed.remove_copy() == NOTHING_LEFT


def test_what_is_installed_does_not_replace_itself(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(installed.program_folder() / "vsocks-guest.exe"))
    with pytest.raises(InstallError, match="this is the installed program itself"):
        installed.install_copy()


def test_events_have_a_source(name: str) -> None:
    key = rf"SYSTEM\CurrentControlSet\Services\EventLog\Application\{name}"
    eventlog.register_source(name)
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as opened:
        assert "EventCreate.exe" in winreg.QueryValueEx(opened, "EventMessageFile")[0]
    eventlog.unregister_source(name)
    with pytest.raises(FileNotFoundError):
        winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key)
    eventlog.unregister_source(name)


def test_each_kind_of_event_has_its_number() -> None:
    """By which filters find it; the texts are those that the daemon logs."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for begin, number in eventlog.EVENT_IDS.items():
        assert eventlog.event_id(f"{begin} and more") == number
        assert f'"{begin}' in sources.replace(f'"{begin}": ', ""), begin
    assert len(set(eventlog.EVENT_IDS.values())) == len(eventlog.EVENT_IDS)
    assert eventlog.event_id("anything else") == eventlog.OTHER


def test_a_log_file_that_can_not_be_written_is_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the event log, and the service goes on."""
    told: list[str] = []
    monkeypatch.setattr(
        eventlog.EventLogHandler, "emit", lambda _, record: told.append(record.getMessage())
    )
    (tmp_path / "vsocks").mkdir()
    (tmp_path / "vsocks" / service_logs.FILE).mkdir()
    monkeypatch.setattr(installed, "_known_folder", lambda _number: tmp_path)
    monkeypatch.setattr(protected, "make_folder", lambda _path: "moved for a test")
    logger = logging.getLogger("vsocks")
    before = logger.handlers
    try:
        handlers = service_logs.log_to_file(service_logs.log_events("vsocks-test"))
        assert len(handlers) == 1
    finally:
        logger.handlers = before
    assert told[0] == "the folder of settings and logs was moved: moved for a test"
    assert told[1].startswith("the log file can't be written, so the event log is all there is: ")


def test_every_level_has_its_event() -> None:
    handler = eventlog.EventLogHandler("vsocks-test")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        handler.emit(logging.LogRecord("vsocks", level, "", 0, "for a test", None, None))
    handler.close()


# -- where nothing can be written ----------------------------------------------------------


def test_a_folder_that_can_not_be_made(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(installed, "_known_folder", lambda _number: tmp_path / "file")
    with pytest.raises(InstallError, match="can't install into"):
        installed.install_copy()
    with pytest.raises(InstallError, match=r"can't make .* safe"):
        installed.make_data_folder()


def test_a_folder_that_windows_does_not_know() -> None:
    with pytest.raises(InstallError, match="doesn't tell where its folder 32767 is"):
        installed._known_folder(0x7FFF)
