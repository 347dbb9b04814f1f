"""Channel specifications: every form, and what nonsense is told."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.channel.spec_error import check_error
from vsocks.channel import ChannelSpec, parse_spec
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
        (r"virtio:\\.\Global\com.example.1", ChannelSpec("virtio", "com.example.1")),
        ("com:COM3", ChannelSpec("com", "COM3", baudrate=115200)),
        ("com:COM3?baudrate=9600", ChannelSpec("com", "COM3", baudrate=9600)),
        ("pipe:vsocks", ChannelSpec("pipe", "vsocks")),
        (r"pipe:\\.\pipe\vsocks", ChannelSpec("pipe", "vsocks")),
        (r"path:Z:\dev\pts\5", ChannelSpec("path", r"Z:\dev\pts\5")),
        ("virtio:/dev/virtio-ports/com.example.1", ChannelSpec("virtio", "com.example.1")),
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
        ("tcp:[127.0.0.1]:80", "in brackets goes IPv6"),
        ("tcp:[::1:80", "in brackets goes IPv6"),
        ("tcp:a b:80", "'a b' is no host name"),
    ],
)
def test_nonsense_gets_an_error_that_shows_the_forms(text: str, problem: str) -> None:
    check_error(text, problem)


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


@pytest.mark.parametrize(
    "text",
    [
        "auto",
        "unix:/run/vm.sock",
        "virtio:org.vsocks.0",
        "serial:/dev/ttyS1",
        "serial:/dev/ttyS1?baudrate=9600",
        "tcp:localhost:1",
        "tcp:[::1]:80",
        "tcp-listen:[fe80::1%eth0]:80",
    ],
)
def test_a_spec_is_shown_as_it_was_written(text: str) -> None:
    assert str(parse_spec(text)) == text


@given(HEADS, TEXT | st.ip_addresses().map(str), TAILS)
def test_what_is_shown_is_the_same_spec(head: str, middle: str, tail: str) -> None:
    with contextlib.suppress(UsageError):
        spec = parse_spec(head + middle + tail)
        assert parse_spec(str(spec)) == spec
