"""What the service is to do, in a file that only the system and administrators read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

assert sys.platform == "win32"

from vsocks.cli import service_settings
from vsocks.cli.guest_options import ENVIRONMENT, guest_config
from vsocks.errors import UsageError
from vsocks.windows import installed, protected
from vsocks.windows.installed import InstallError


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(installed, "_known_folder", lambda _number: tmp_path)
    (tmp_path / "vsocks").mkdir()
    return tmp_path / "vsocks"


def stored(*words: str) -> Path:
    service_settings.check(words)
    return service_settings.store(words)


def test_options_are_written_and_read_again(data: Path) -> None:
    words = ("--listen", "[::1]:99", "--listen", "127.0.0.1:99", "--max-streams", "7", "-v", "-v")
    path = stored(*words, "--channel", "com:COM3?baudrate=300", "--idle-timeout", "1.5")
    assert path == data / "guest.toml"
    options = service_settings.load(["--config", str(path)])
    assert options.listen == [("::1", 99), ("127.0.0.1", 99)]
    assert (options.max_streams, options.verbose, options.idle_timeout) == (7, 2, 1.5)
    assert options.channel == "com:COM3?baudrate=300"
    assert 'listen = ["[::1]:99", "127.0.0.1:99"]\n' in path.read_text()
    assert "max-streams = 7\n" in path.read_text()


def test_users_go_into_a_file_of_their_own(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "bob:two\n")
    path = stored("--user", "alice:one")
    monkeypatch.delenv(ENVIRONMENT)
    assert "one" not in path.read_text()
    assert (data / "users.txt").read_bytes() == b"alice:one\nbob:two\n"
    users = guest_config(service_settings.load(["--config", str(path)])).users
    assert users.check(b"alice", b"one")
    assert users.check(b"bob", b"two")
    assert not users.check(b"bob", b"one")


def test_users_are_added_to_those_of_a_file(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("carol:three\n")
    stored("--user", "alice:one", "--users-file", str(file))
    assert (data / "users.txt").read_bytes() == b"alice:one\ncarol:three\n"
    assert "users.txt" in (data / "guest.toml").read_text()
    stored("--users-file", str(file))
    assert str(file).replace("\\", "\\\\") in (data / "guest.toml").read_text()


def test_without_options_what_is_there_stays(data: Path) -> None:
    assert stored().read_text() == ""
    (data / "guest.toml").write_text("max-streams = 3\n")
    assert stored().read_text() == "max-streams = 3\n"


def test_another_file_is_taken_as_it_is(data: Path, tmp_path: Path) -> None:
    assert stored("--config", str(tmp_path / "own.toml")) == tmp_path / "own.toml"
    assert not list(data.iterdir())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--config", r"C:\x.toml", "--listen", "[::1]:1"], "either --config, or options"),
        (["--config", "x.toml"], "say where x.toml is in full"),
        (["--users-file", "users.txt"], "say where users.txt is in full"),
        (["--trace", "trace"], "say where trace is in full"),
        (["--config", r"C:\%TEMP%\x.toml"], "between two %"),
    ],
)
def test_what_no_service_can_be_given(data: Path, words: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        service_settings.check(words)


def test_a_folder_that_is_not_there(data: Path) -> None:
    data.rmdir()
    with pytest.raises(InstallError, match="can't write"):
        stored("--user", "alice:one")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["--help"], "they ask for help"),
        (["--config", r"C:\there\is\none"], "none can't be read: "),
    ],
)
def test_what_is_wrong_is_raised_not_printed(words: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        service_settings.load(words)


def test_what_is_wrong_in_the_file_is_raised(data: Path) -> None:
    (data / "guest.toml").write_text("lisen = 3\n")
    with pytest.raises(UsageError, match=r"guest\.toml:1: lisen: .* did you mean listen"):
        service_settings.load(["--config", str(service_settings.settings_file())])


def test_a_file_of_somebody_else_is_not_taken(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wine gives every file to the one user that it has, so the owner is told by the test."""
    path = stored("--channel", "tcp:127.0.0.1:1")
    monkeypatch.setattr(protected, "_owner_of", lambda _path: "S-1-5-21-1-2-3-1001")
    with pytest.raises(UsageError, match=r"guest\.toml belongs to S-1-5-21-1-2-3-1001"):
        service_settings.load(["--config", str(path)])
