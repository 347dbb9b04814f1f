"""Channel specifications: every form, and what nonsense is told."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.channel import ChannelSpec, open_source, parse_spec
from vsocks.channel.auto import AutoSource
from vsocks.channel.serial import SerialSource
from vsocks.channel.sockets import ConnectSource, ListenSource
from vsocks.channel.virtio import VirtioSource
from vsocks.errors import UsageError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("unix:/run/vm.sock", ChannelSpec("unix", "/run/vm.sock")),
        ("unix:relative", ChannelSpec("unix", "relative")),
        ("unix:/run/a:b", ChannelSpec("unix", "/run/a:b")),
        ("unix-listen:/run/vm.sock", ChannelSpec("unix-listen", "/run/vm.sock")),
        ("auto", ChannelSpec("auto", "")),
        ("virtio", ChannelSpec("virtio", "org.vsocks.0")),
        ("virtio:com.example.1", ChannelSpec("virtio", "com.example.1")),
        ("virtio:/dev/virtio-ports/com.example.1", ChannelSpec("virtio", "com.example.1")),
        (r"virtio:\\.\Global\com.example.1", ChannelSpec("virtio", "com.example.1")),
        ("com:COM3", ChannelSpec("com", "COM3", baudrate=115200)),
        ("com:COM3?baudrate=9600", ChannelSpec("com", "COM3", baudrate=9600)),
        ("pipe:vsocks", ChannelSpec("pipe", "vsocks")),
        (r"pipe:\\.\pipe\vsocks", ChannelSpec("pipe", "vsocks")),
        (r"path:Z:\dev\pts\5", ChannelSpec("path", r"Z:\dev\pts\5")),
        ("serial:/dev/ttyS1", ChannelSpec("serial", "/dev/ttyS1", baudrate=115200)),
        ("serial:/dev/ttyS1?baudrate=9600", ChannelSpec("serial", "/dev/ttyS1", baudrate=9600)),
        ("serial:COM3?baudrate=9600", ChannelSpec("serial", "COM3", baudrate=9600)),
        ("tcp:vm.example.com:7777", ChannelSpec("tcp", "vm.example.com", 7777)),
        ("tcp:10.0.0.1:65535", ChannelSpec("tcp", "10.0.0.1", 65535)),
        ("tcp:[::1]:1", ChannelSpec("tcp", "::1", 1)),
        ("tcp:::1:7777", ChannelSpec("tcp", "::1", 7777)),
        ("tcp-listen:127.0.0.1:7777", ChannelSpec("tcp-listen", "127.0.0.1", 7777)),
        ("tcp-listen:[::1]:7777", ChannelSpec("tcp-listen", "::1", 7777)),
    ],
)
def test_every_form(text: str, spec: ChannelSpec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no kind"),
        ("vsocks", "names no kind"),
        (":", "'' is no kind|':' is no kind"),
        ("ftp:x", "'ftp' is no kind"),
        ("UNIX:/run/vm.sock", "'UNIX' is no kind"),
        ("ftp:/run/vm.sock", "'ftp' is no kind"),
        ("unix:", "nothing follows 'unix:'"),
        ("unix-listen:", "nothing follows"),
        ("virtio:", "nothing follows"),
        ("serial:", "nothing follows"),
        ("tcp:", "nothing follows"),
        ("unix:/" + 107 * "x", "107 bytes at most"),
        ("unix-listen:" + 54 * "é", "107 bytes at most"),
        ("virtio:a/b", "no '/'"),
        (r"virtio:a\b", "no '/'"),
        ("pipe:", "nothing follows"),
        (r"pipe:a\b", "a pipe's name"),
        ("com:", "nothing follows"),
        ("com:COM3?parity=even", "the only option is baudrate"),
        ("path:", "nothing follows"),
        ("serial:?baudrate=9600", "the device is missing"),
        ("serial:/dev/ttyS1?baudrate=fast", "'fast' is no baud rate"),
        ("serial:/dev/ttyS1?baudrate=0", "'0' is no baud rate"),
        ("serial:/dev/ttyS1?baudrate=-9600", "'-9600' is no baud rate"),
        ("serial:/dev/ttyS1?baudrate=", "'' is no baud rate"),
        ("serial:/dev/ttyS1?baudrate=²", "'²' is no baud rate"),
        ("serial:/dev/ttyS1?parity=even", "the only option is baudrate, not 'parity'"),
        ("tcp:localhost", "HOST:PORT"),
        ("tcp::80", "HOST:PORT"),
        ("tcp:[]:80", "HOST:PORT"),
        ("tcp:localhost:", "'' is no port"),
        ("tcp:localhost:http", "'http' is no port"),
        ("tcp:localhost:0", "'0' is no port"),
        ("tcp:localhost:65536", "'65536' is no port"),
        ("tcp:localhost:²", "'²' is no port"),
        ("tcp-listen:localhost:-1", "'-1' is no port"),
        ("/does/not/exist", "No such file"),
        ("/", "no socket, no virtio port and no serial line"),
        ("/dev/null", "no socket, no virtio port and no serial line"),
        ("/etc/passwd/x", "Not a directory"),
    ],
)
def test_nonsense_gets_an_error_that_shows_the_forms(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        parse_spec(text)
    message = str(caught.value)
    assert repr(text) in message
    assert "\n" not in message
    for form in ("unix:PATH", "unix-listen:PATH", "virtio[:NAME]", "serial:DEVICE[?baudrate=N]"):
        assert form in message
    for form in ("tcp:HOST:PORT", "tcp-listen:ADDR:PORT", "path of an existing"):
        assert form in message


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


def test_a_path_that_is_a_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="no socket, no virtio port"):
        parse_spec(str(tmp_path / "file"))


# -- anything at all -----------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=140)
HEADS = st.sampled_from(
    ["", "/", "unix:", "unix-listen:", "virtio:", "serial:", "com:", "pipe:", "tcp:", "tcp:[:"]
)
TAILS = st.sampled_from(["", ":80", "]:80", "?baudrate=9600", "?baudrate=9600&x"])


@given(HEADS, TEXT, TAILS)
def test_any_text_is_a_spec_or_gets_the_error(head: str, middle: str, tail: str) -> None:
    with contextlib.suppress(UsageError):
        spec = parse_spec(head + middle + tail)
        assert spec.place
        assert (spec.port > 0) == spec.kind.startswith("tcp")


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


@pytest.mark.parametrize("text", ["com:COM3", "pipe:x", r"path:\\.\COM3"])
def test_what_only_windows_has_is_said_to_be_so(text: str) -> None:
    with pytest.raises(UsageError, match="only Windows has"):
        open_source(parse_spec(text))


@pytest.mark.parametrize(
    "text", ["auto", "unix:/run/vm.sock", "virtio:org.vsocks.0", "tcp:localhost:1"]
)
def test_a_spec_is_shown_as_it_was_written(text: str) -> None:
    assert str(parse_spec(text)) == text
