"""Why a path can't be opened, in words: of true files, folders and rights."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from vsocks.channel.path_errors import denied, explained, no_socket

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

NOBODY = 65534


def why(path: Path, number: int) -> str:
    error = explained(str(path), OSError(number, os.strerror(number)))
    assert error.errno == number
    return str(error.strerror)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "socket"
    assert why(path, errno.ENOENT).endswith(f": the folder {tmp_path / 'no'} isn't there")
    assert why(tmp_path / "socket", errno.ENOENT) == os.strerror(errno.ENOENT)


def test_what_is_there_is_no_socket(tmp_path: Path) -> None:
    file, place = tmp_path / "file", tmp_path / "socket"
    file.touch()
    assert why(file, errno.ECONNREFUSED).endswith(": what is there is a file, not a socket")
    assert no_socket(str(tmp_path)) == "it is a folder; name the socket in it"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        assert why(place, errno.ECONNREFUSED) == os.strerror(errno.ECONNREFUSED)


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    error = OSError(errno.EIO, "broken")
    assert explained(str(tmp_path), error) is error
    error = OSError("no number")
    assert explained(str(tmp_path), error) is error


def test_who_may_open_it_is_said(tmp_path: Path) -> None:
    """Whoever we are: owner and rights are those that the file has."""
    path = tmp_path / "socket"
    path.touch()
    path.chmod(0o600)
    said = denied(str(path))
    assert f"{path} belongs to " in said
    assert "(-rw-------)" in said
    assert "setfacl -m u:" in said
    assert why(path, errno.EACCES).startswith(os.strerror(errno.EACCES) + ": ")


def test_a_path_that_is_gone_is_judged_by_its_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    assert f"{tmp_path} belongs to " in denied(str(tmp_path / "gone"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_group_that_may_write_is_the_way_in(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.touch()
    path.chmod(0o660)
    os.chown(path, 4242, 4243)
    said = denied(str(path))
    assert "belongs to 4242, group 4243 (-rw-rw----)" in said
    assert "in the group 4243 (usermod -aG 4243 " in said
