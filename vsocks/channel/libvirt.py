"""The channel of a machine that libvirt runs: its socket's path is looked up at each opening.

libvirt chooses another path at each start of a machine whose XML names none. Once a look-up has
failed as the one before, the next one waits for libvirt's word that something has changed: a
look-up costs nearly a millisecond of CPU, and would come twice a second for each machine that is
off.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"

import asyncio
import contextlib
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.libvirt_events import EVENTS
from vsocks.channel.off_loop import off_loop
from vsocks.channel.sockets import ConnectSource
from vsocks.errors import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the names of our ports begin with.
OURS: Final = "org.vsocks."
#: VIR_CONNECT_LIST_DOMAINS_ACTIVE.
_ACTIVE: Final = 1
#: Seconds until it is looked up again without a word: a port that is added is no event.
_LONGEST_WAIT: Final = 5.0


class LibvirtSource(ChannelSource):
    """Connects to the port named org.vsocks.* of a domain, by its name; libvirt's default URI."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Set when the domain may have changed since the last look-up began.
        self._changed = asyncio.Event()
        #: Why the last look-up failed, and whether that is new.
        self._problem = ""
        self._is_known = False

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        await off_loop(lambda: EVENTS.add(self._on_change))

    async def open(self) -> Channel:
        if self._is_known and EVENTS.are_told:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_WAIT):
                    await self._changed.wait()
        self._changed.clear()
        try:
            path = await off_loop(lambda: socket_path(self._domain))
        except OSError as error:
            problem = describe(error)
            self._is_known, self._problem = problem == self._problem, problem
            raise
        self._is_known, self._problem = False, ""
        return await ConnectSource(path).open()

    async def close(self) -> None:
        await off_loop(lambda: EVENTS.remove(self._on_change))

    def _on_change(self, domain: str) -> None:
        """In libvirt's thread."""
        if domain in {self._domain, ""} and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._changed.set)


def socket_path(domain: str) -> str:
    """Where the socket of a running domain's port is now; blocks. Raises OSError if it isn't."""
    with _connection() as connection:
        found = connection.lookupByName(domain)
        if not found.isActive():
            raise FileNotFoundError(errno.ENOENT, f"libvirt's domain {domain} isn't running")
        path = next(_paths(found), None)
    if path is None:
        problem = f"libvirt's domain {domain} has no channel of type unix named {OURS}*"
        raise OSError(errno.ENOENT, problem)
    return path


def running_domains() -> tuple[str, ...]:
    """The names of those that run and have a port of ours; blocks. Raises OSError."""
    with _connection() as connection:
        running = connection.listAllDomains(_ACTIVE)
        return tuple(sorted(domain.name() for domain in running if _has_port(domain)))


@contextlib.contextmanager
def _connection() -> Iterator[Any]:
    """One to libvirt's daemon, to read; an error of libvirt's is an OSError outside."""
    import libvirt

    try:
        connection = libvirt.openReadOnly(None)
        try:
            yield connection
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise OSError(errno.ENOENT, f"libvirt: {describe(error)}") from None


def _has_port(domain: Any) -> bool:
    """Whether it has a port of ours. One that has ended since it was listed has none."""
    import libvirt

    try:
        return any(_paths(domain))
    except libvirt.libvirtError:
        return False


def _paths(domain: Any) -> Iterator[str]:
    """The sockets of our ports, in the order of the XML. Raises libvirtError."""
    return (each.path for each in unix_channels(domain) if each.name.startswith(OURS))


@dataclass(frozen=True, slots=True)
class UnixChannel:
    """A virtio-serial port of a domain that runs."""

    name: str
    path: str
    #: What QEMU calls its device.
    id: str
    #: Whether a program in the guest has it open.
    is_open: bool


def unix_channels(domain: Any) -> Iterator[UnixChannel]:
    """Its ports that have a unix socket, in the order of the XML. Raises libvirtError."""
    xml = ElementTree.fromstring(domain.XMLDesc())  # noqa: S314 - it is libvirt's own
    for channel in xml.iterfind("./devices/channel[@type='unix']"):
        source, target, alias = (channel.find(each) for each in ("source", "target", "alias"))
        if source is None or target is None or not (path := source.get("path")):
            continue
        device = "" if alias is None else alias.get("name", "")
        is_open = target.get("state") == "connected"
        yield UnixChannel(target.get("name", ""), path, device, is_open)
