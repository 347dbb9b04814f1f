"""The channel of a machine that libvirt runs: its socket's path is looked up at each opening.

libvirt chooses another path at each start of a machine whose XML names none.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import errno
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.off_loop import off_loop
from vsocks.channel.sockets import ConnectSource
from vsocks.errors import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the names of our ports begin with.
_OURS: Final = "org.vsocks."


class LibvirtSource(ChannelSource):
    """Connects to the port named org.vsocks.* of a domain, by its name; libvirt's default URI."""

    def __init__(self, domain: str) -> None:
        self._domain = domain

    async def start(self) -> None:
        import libvirt

        # Else libvirt writes each error to stderr.
        libvirt.registerErrorHandler(lambda _context, _error: None, None)

    async def open(self) -> Channel:
        path = await off_loop(lambda: socket_path(self._domain))
        return await ConnectSource(path).open()

    async def close(self) -> None:
        pass


def socket_path(domain: str) -> str:
    """Where the socket of a running domain's port is now; blocks. Raises OSError if it isn't."""
    import libvirt

    try:
        connection = libvirt.openReadOnly(None)
        try:
            found = connection.lookupByName(domain)
            if not found.isActive():
                raise FileNotFoundError(errno.ENOENT, f"libvirt's domain {domain} isn't running")
            xml = found.XMLDesc()
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise OSError(errno.ENOENT, f"libvirt: {describe(error)}") from None
    path = next(_paths(ElementTree.fromstring(xml)), None)  # noqa: S314 - it is libvirt's own
    if path is None:
        problem = f"libvirt's domain {domain} has no channel of type unix named {_OURS}*"
        raise OSError(errno.ENOENT, problem)
    return path


def _paths(domain: Any) -> Iterator[str]:
    """The sockets of our ports, in the order of the XML."""
    for channel in domain.iterfind("./devices/channel[@type='unix']"):
        source, target = channel.find("source"), channel.find("target")
        if source is None or target is None or not source.get("path"):
            continue
        if target.get("name", "").startswith(_OURS):
            yield source.get("path")
