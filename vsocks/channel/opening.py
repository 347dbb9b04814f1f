"""From a channel's specification to its source."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from vsocks.channel.spec import DEFAULT_PORT_NAME, ORIGINAL_PORT_NAME, ChannelSpec, shown
from vsocks.errors import UsageError

if TYPE_CHECKING:
    from vsocks.channel.base import ChannelSource


def open_source(spec: ChannelSpec) -> ChannelSource:
    """The source for a specification; raises UsageError if this system lacks that kind.

    The module of a kind is imported only when it is needed.
    """
    source = _auto_source() if spec.kind == "auto" else _open_source(spec)
    source.name = str(spec)
    return source


def _auto_source() -> ChannelSource:
    from vsocks.channel.auto import AutoSource

    specs = [ChannelSpec("virtio", name) for name in (DEFAULT_PORT_NAME, ORIGINAL_PORT_NAME)]
    if sys.platform == "win32":
        specs.append(ChannelSpec("com", "COM1"))
    return AutoSource([open_source(spec) for spec in specs])


if sys.platform == "win32":

    def _open_source(spec: ChannelSpec) -> ChannelSource:
        if spec.kind.startswith("unix"):
            raise UsageError(
                f"channel {shown(str(spec))}: Python has no unix sockets on Windows; use pipe:NAME"
            )
        if spec.kind == "libvirt":
            raise UsageError(f"channel {shown(str(spec))}: libvirt runs machines on Linux")
        if spec.kind.startswith("tcp"):
            from vsocks.channel import sockets

            return sockets.source(spec)
        from vsocks.channel.windows import windows_source

        return windows_source(spec)

else:

    def _open_source(spec: ChannelSpec) -> ChannelSource:
        match spec.kind:
            case "virtio":
                from vsocks.channel.virtio import VirtioSource

                return VirtioSource(spec.place)
            case "libvirt":
                from vsocks.channel.libvirt import LibvirtSource

                return LibvirtSource(spec.place)
            case "serial":
                from vsocks.channel.serial import SerialSource

                return SerialSource(spec.place, spec.baudrate)
            case "com" | "pipe" | "path":
                raise UsageError(
                    f"channel {shown(str(spec))}: only Windows has a {spec.kind} channel"
                )
            case _:
                from vsocks.channel import sockets

                return sockets.source(spec)
