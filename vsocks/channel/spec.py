"""Channel specifications: what a user writes after ``--channel``."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from vsocks.address import format_host_port, parse_host_port
from vsocks.errors import UsageError, describe

#: The name of the virtio-serial port, unless the user gives one.
DEFAULT_PORT_NAME: Final = "org.vsocks.0"
#: The name that the original program used, which belongs to SPICE.
ORIGINAL_PORT_NAME: Final = "com.redhat.spice.0"

FORMS: Final = """\
  unix:PATH               connect to a unix socket (QEMU's chardev, libvirt)
  unix-listen:PATH        listen on a unix socket
  libvirt:DOMAIN          the port org.vsocks.* of a machine that libvirt runs
  auto                    in a guest: the first of virtio:org.vsocks.0,
                          virtio:com.redhat.spice.0 and, on Windows, com:COM1 that exists
  virtio[:NAME]           a virtio-serial port in a guest (default name org.vsocks.0)
  serial:DEVICE[?baudrate=N]   a serial line, for example serial:/dev/ttyS1
  com:COM3[?baudrate=N]   a serial port of Windows
  pipe:NAME               a named pipe of Windows, \\\\.\\pipe\\NAME
  path:PATH               any other device of Windows, by its path
  tcp:HOST:PORT           connect to a TCP port
  tcp-listen:ADDR:PORT    listen on a TCP port
  PATH                    a unix socket, virtio port or serial line that exists"""

_SHORT_FORMS: Final = (
    "unix:PATH, unix-listen:PATH, libvirt:DOMAIN, auto, virtio[:NAME], serial:DEVICE[?baudrate=N], "
    "com:COM3[?baudrate=N], pipe:NAME, path:PATH, tcp:HOST:PORT, "
    "tcp-listen:ADDR:PORT, or the path of an existing socket, port or serial line"
)

_DEFAULT_BAUDRATE: Final = 115200
_VIRTIO_FOLDER: Final = "/dev/virtio-ports"


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """A parsed specification."""

    kind: str
    #: A path, device or port name; for TCP the host.
    place: str
    #: TCP port.
    port: int = 0
    baudrate: int = _DEFAULT_BAUDRATE

    def __str__(self) -> str:
        if not self.place:
            return self.kind
        place = format_host_port(self.place, self.port) if self.port else self.place
        rate = f"?baudrate={self.baudrate}" if self.baudrate != _DEFAULT_BAUDRATE else ""
        return f"{self.kind}:{place}{rate}"


def parse_spec(text: str) -> ChannelSpec:
    """Parse a specification; raises UsageError, which shows the valid forms."""
    if "\0" in text:
        raise _error(text, "a NUL is in it")
    kind, colon, rest = text.partition(":")
    if text == "auto":
        return ChannelSpec("auto", "")
    if text == "virtio":
        return ChannelSpec("virtio", DEFAULT_PORT_NAME)
    if colon and kind in _PARSERS:
        if not rest:
            raise _error(text, f"nothing follows '{kind}:'")
        return _PARSERS[kind](kind, rest, text)
    if "/" in text and (not colon or "/" in kind):
        return _recognise(text)
    raise _error(text, f"{shown(kind)} is no kind of channel" if colon else "it names no kind")


def _path(kind: str, rest: str, text: str) -> ChannelSpec:
    if len(os.fsencode(rest)) > _MAX_UNIX_PATH:
        raise _error(text, f"a unix socket's path has {_MAX_UNIX_PATH} bytes at most")
    return ChannelSpec(kind, rest)


def _domain(kind: str, rest: str, text: str) -> ChannelSpec:
    if "/" in rest or not rest.isprintable():
        raise _error(text, "a domain's name has no '/' in it")
    return ChannelSpec(kind, rest)


def _virtio(kind: str, rest: str, text: str) -> ChannelSpec:
    name = rest.removeprefix(f"{_VIRTIO_FOLDER}/").removeprefix("\\\\.\\Global\\")
    if "/" in name or "\\" in name:
        raise _error(text, "a port name has no '/' or '\\' in it")
    return ChannelSpec(kind, name)


def _serial(kind: str, rest: str, text: str) -> ChannelSpec:
    device, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    baudrate = options.pop("baudrate", str(_DEFAULT_BAUDRATE))
    if options:
        raise _error(text, f"the only option is baudrate, not {shown(next(iter(options)))}")
    if not 0 < _number(baudrate) < _MAX_BAUDRATE:
        raise _error(text, f"{shown(baudrate)} is no baud rate")
    if not device:
        raise _error(text, "the device is missing")
    return ChannelSpec(kind, device, baudrate=int(baudrate))


def _pipe(kind: str, rest: str, text: str) -> ChannelSpec:
    name = rest.removeprefix("\\\\.\\pipe\\")
    if not name or "\\" in name:
        raise _error(text, "a pipe's name has no '\\' in it")
    return ChannelSpec(kind, name)


def _device_path(kind: str, rest: str, _text: str) -> ChannelSpec:
    return ChannelSpec(kind, rest)


def _tcp(kind: str, rest: str, text: str) -> ChannelSpec:
    try:
        host, port = parse_host_port(rest)
    except ValueError as error:
        raise _error(text, f"it must be {kind}:HOST:PORT; {describe(error)}") from None
    return ChannelSpec(kind, host, port)


def _recognise(text: str) -> ChannelSpec:
    """Tell the kind of a bare path by looking at it."""
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _error(text, f"{describe(error)}, so its kind can't be told") from None
    if str(path.parent) == _VIRTIO_FOLDER:
        return ChannelSpec("virtio", path.name)
    if stat.S_ISSOCK(mode):
        return _path("unix", text, text)
    if stat.S_ISCHR(mode) and path.name.startswith("vport"):
        return ChannelSpec("virtio", text)
    if stat.S_ISCHR(mode) and _is_tty(text):
        return ChannelSpec("serial", text)
    raise _error(text, "it is no socket, no virtio port and no serial line")


def _is_tty(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    except OSError:
        return False
    try:
        return os.isatty(fd)
    finally:
        os.close(fd)


def _number(text: str) -> int:
    """The number that a few decimal digits spell, else -1."""
    is_number = text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS
    return int(text) if is_number else -1


def shown(text: str) -> str:
    """Something the user wrote, quoted and cut for an error message."""
    return repr(text if len(text) < _MOST_SHOWN else text[:_MOST_SHOWN] + "…")


def _error(text: str, problem: str) -> UsageError:
    return UsageError(f"channel {shown(text)}: {problem}; valid forms: {_SHORT_FORMS}")


_MAX_UNIX_PATH: Final = 107
_MAX_BAUDRATE: Final = 100_000_000
_MOST_DIGITS: Final = 12
_MOST_SHOWN: Final = 200
_PARSERS: Final = {
    "unix": _path,
    "unix-listen": _path,
    "libvirt": _domain,
    "virtio": _virtio,
    "serial": _serial,
    "com": _serial,
    "pipe": _pipe,
    "path": _device_path,
    "tcp": _tcp,
    "tcp-listen": _tcp,
}
#: All words that can stand before the colon, or alone.
KINDS: Final = ("auto", *_PARSERS)
