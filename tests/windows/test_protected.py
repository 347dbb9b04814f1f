"""Folders and files that ordinary users must not have had in their hands."""

from __future__ import annotations

import _winapi
import logging
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

assert sys.platform == "win32"

from vsocks.cli.log_file import LogFile
from vsocks.windows import protected

SHARE_READ_AND_WRITE = 3


def moved_aside(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}.untrusted-*"))


def test_a_folder_is_made_and_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert protected.make_folder(folder) == ""
    (folder / "kept").touch()
    assert protected.make_folder(folder) == ""
    assert (folder / "kept").exists()
    assert not moved_aside(folder)


def test_a_folder_of_somebody_else_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wine gives every file to the one user that it has, so the owner is told by the test."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "guest.toml").write_text("channel = 'tcp:evil.test:1'")
    strangers = iter(["S-1-5-21-1-2-3-1001"])
    own = protected._owner_of(folder)
    monkeypatch.setattr(protected, "_owner_of", lambda _path: next(strangers, own))
    told = protected.make_folder(folder)
    assert "belongs to S-1-5-21-1-2-3-1001; it has been made anew" in told
    assert folder.is_dir()
    assert not list(folder.iterdir())
    (aside,) = moved_aside(folder)
    assert (aside / "guest.toml").exists()


def test_a_file_of_somebody_else_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As above. It was put there before the folder was closed to others."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "guest.log").touch()
    owners = iter([own := protected._owner_of(folder), "S-1-5-21-1-2-3-1001"])
    monkeypatch.setattr(protected, "_owner_of", lambda _path: next(owners, own))
    assert "holds guest.log, which belongs to S-1-5-21-1-2-3-1001" in protected.make_folder(folder)
    assert not list(folder.iterdir())


def test_a_file_with_another_name_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "elsewhere").touch()
    os.link(tmp_path / "elsewhere", folder / "guest.log")
    assert "holds guest.log, which has another name elsewhere" in protected.make_folder(folder)


def test_a_link_to_somewhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wine 8 makes no junctions and no symbolic links: what Windows says of one, by the test."""
    of_a_junction = SimpleNamespace(
        st_file_attributes=stat.FILE_ATTRIBUTE_REPARSE_POINT | stat.FILE_ATTRIBUTE_DIRECTORY,
        st_mode=stat.S_IFDIR,
    )
    monkeypatch.setattr(Path, "lstat", lambda _path: of_a_junction)
    assert protected.distrust(tmp_path) == "is a link to somewhere else"


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert "data is no folder; it has been made anew" in protected.make_folder(tmp_path / "data")
    assert (tmp_path / "data").is_dir()


def test_a_secret_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    for data in (b"alice:one\n", b"bob:two\n"):
        protected.write_secret(path, data)
        assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "users.txt").mkdir()
    with pytest.raises(OSError, match=r"."):
        protected.write_secret(tmp_path / "users.txt", b"alice:one\n")
    assert [path.name for path in tmp_path.iterdir()] == ["users.txt"]


def test_what_is_not_there_can_not_be_protected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        protected.protect(tmp_path / "missing", protected.CLOSED)
    with pytest.raises(FileNotFoundError):
        protected._owner_of(tmp_path / "missing")
    with pytest.raises(OSError, match=r"."):
        protected.protect(tmp_path, "nonsense")


def test_a_reader_does_not_keep_the_log_from_going_on(tmp_path: Path) -> None:
    """It forbids renaming, as most programs do that show a file."""
    path = tmp_path / "guest.log"
    handler = LogFile(path, 100, older=1)
    reader = _winapi.CreateFile(
        *(str(path), _winapi.GENERIC_READ, SHARE_READ_AND_WRITE, _winapi.NULL),
        *(_winapi.OPEN_EXISTING, 0, _winapi.NULL),
    )
    try:
        for n in range(5):
            text = f"{n} ".ljust(59, "x")
            handler.emit(logging.LogRecord("vsocks", logging.INFO, "", 0, text, None, None))
        assert path.read_text()[0] == "4"
        assert (tmp_path / "guest.log.1").read_text()[0] == "3"
        assert path.stat().st_size <= 100
    finally:
        _winapi.CloseHandle(reader)
        handler.close()
