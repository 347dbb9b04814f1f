"""What a channel specification means on Linux: paths that are looked at, and what opens a kind."""

from __future__ import annotations

import os
import pty
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.channel.spec_error import check_error
from vsocks.channel import ChannelSpec, open_source, parse_spec
from vsocks.channel.auto import AutoSource
from vsocks.channel.serial import SerialSource
from vsocks.channel.sockets import ConnectSource, ListenSource
from vsocks.channel.virtio import VirtioSource
from vsocks.errors import UsageError

pytestmark = pytest.mark.unit


def test_the_longest_path_is_the_longest_that_the_system_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = "x" * 107
    assert parse_spec(f"unix:{longest}").place == longest
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        one.bind(longest)
        with pytest.raises(OSError, match="too long"):
            other.bind(longest + "x")


# -- a bare path is what it is found to be -------------------------------------------------


def test_a_path_that_is_a_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "vm:1.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        assert parse_spec(path) == ChannelSpec("unix", path)


@pytest.fixture
def tty() -> Iterator[str]:
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_path_that_is_a_serial_line(tty: str) -> None:
    assert parse_spec(tty) == ChannelSpec("serial", tty)


def test_a_look_at_a_path_leaves_nothing_open(tty: str) -> None:
    parse_spec(tty)
    opened = Path("/proc/self/fd")
    before = set(opened.iterdir())
    for _ in range(3):
        parse_spec(tty)
    assert set(opened.iterdir()) == before


def test_a_path_that_is_a_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no socket, no virtio port"):
        parse_spec(str(tmp_path / "file"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("/does/not/exist", "No such file"),
        ("/", "no socket, no virtio port and no serial line"),
        ("/dev/null", "no socket, no virtio port and no serial line"),
        ("/etc/passwd/x", "Not a directory"),
    ],
)
def test_a_path_that_is_no_channel_gets_an_error_that_shows_the_forms(
    text: str, problem: str
) -> None:
    check_error(text, problem)


# -- what opens it -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("unix:x", ConnectSource),
        ("tcp:x:1", ConnectSource),
        ("unix-listen:x", ListenSource),
        ("tcp-listen:x:1", ListenSource),
        ("virtio", VirtioSource),
        ("serial:x", SerialSource),
        ("auto", AutoSource),
    ],
)
def test_each_kind_has_its_source(text: str, kind: type) -> None:
    source = open_source(parse_spec(text))
    assert type(source) is kind
    assert source.name == str(parse_spec(text))


def test_a_domain_of_libvirt_has_its_source() -> None:
    source = open_source(parse_spec("libvirt:my machine"))
    assert (type(source).__name__, source.name) == ("LibvirtSource", "libvirt:my machine")


@pytest.mark.parametrize("text", ["com:COM3", "pipe:x", r"path:\\.\COM3"])
def test_what_only_windows_has_is_said_to_be_so(text: str) -> None:
    with pytest.raises(UsageError, match="only Windows has"):
        open_source(parse_spec(text))
