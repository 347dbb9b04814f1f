"""A channel for a running QEMU: controller, chardev and port, added and taken away by QMP."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from qemu.qmp import QMPClient, QMPError

from vsocks.errors import UnavailableError, describe
from vsocks.host.qemu_devices import (
    NAMED,
    RefusedError,
    devices,
    execute,
    listed,
    property_of,
    serial_ports,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Seconds for QEMU to greet.
_GREETING: Final = 5.0
#: What QEMU says of a bus, and what that means.
_NO_PLACE: Final = ("does not support hotplugging", "no slot/function available")
_NO_PCI: Final = "No 'PCI' bus found"


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is added: ``id`` begins the names of all three parts."""

    id: str
    #: Where QEMU listens, and what the guest calls the port.
    socket: str = ""
    port_name: str = ""
    #: The bus for the controller; the first that has room if there is none.
    bus: str = ""

    @property
    def controller(self) -> str:
        """The controller's id, in QEMU."""
        return f"{self.id}-controller"

    @property
    def port(self) -> str:
        """The port's."""
        return f"{self.id}-port"


async def attach(qmp: str, wanted: Attachment) -> None:
    """Add it to a machine by its QMP socket. Raises UnavailableError; then nothing of it stays."""
    async with _connected(qmp) as client:
        await add(client, wanted)


async def detach(qmp: str, added: Attachment, patience: float) -> None:
    """Take it away by the machine's QMP socket; see `remove`."""
    async with _connected(qmp) as client:
        await remove(client, added, patience)


async def add(client: QMPClient, wanted: Attachment) -> None:
    """Add it to a machine. Raises UnavailableError; then nothing of it stays."""
    if wanted.id in {each["label"] for each in await execute(client, "query-chardev")}:
        raise UnavailableError(f"the machine has {wanted.id!r} already: detach it first")
    if wanted.port_name in {port.name for port in await serial_ports(client)}:
        raise UnavailableError(
            f"the machine has a port {wanted.port_name} already: use the channel that it has"
        )
    async with contextlib.AsyncExitStack() as undo:
        address = {"type": "unix", "data": {"path": wanted.socket}}
        backend = {"type": "socket", "data": {"addr": address, "server": True, "wait": False}}
        await execute(client, "chardev-add", {"id": wanted.id, "backend": backend})
        undo.push_async_callback(execute, client, "chardev-remove", {"id": wanted.id})
        await _add_controller(client, wanted)
        undo.push_async_callback(execute, client, "device_del", {"id": wanted.controller})
        port = {"driver": "virtserialport", "id": wanted.port, "chardev": wanted.id}
        place = {"bus": f"{wanted.controller}.0", "name": wanted.port_name}
        await execute(client, "device_add", port | place)
        undo.pop_all()


async def remove(client: QMPClient, added: Attachment, patience: float) -> None:
    """Take it away: the port, the chardev, the controller. Raises UnavailableError.

    A guest must agree to let the controller go; ``patience`` is how many seconds it has.
    """
    has_devices = {each["name"] for each in await listed(client, NAMED)}
    labels = {each["label"] for each in await execute(client, "query-chardev")}
    if not labels & {added.id} and added.controller not in has_devices:
        raise UnavailableError(f"the machine has no {added.id!r}")
    if added.port in has_devices:
        await _remove_device(client, added.port, patience)
    if added.id in labels:
        await execute(client, "chardev-remove", {"id": added.id})
    if added.controller in has_devices:
        await _remove_device(client, added.controller, patience)


async def _add_controller(client: QMPClient, wanted: Attachment) -> None:
    device = {"driver": "virtio-serial-pci", "id": wanted.controller}
    if wanted.bus:
        await execute(client, "device_add", device | {"bus": wanted.bus})
        return
    buses = [{}, *({"bus": each} for each in await _root_ports(client))]
    for bus in buses:
        try:
            await execute(client, "device_add", device | bus)
        except RefusedError as error:
            problem = describe(error)
            if _NO_PCI in problem:
                raise UnavailableError("the machine has no PCI bus for the controller") from None
            if not any(text in problem for text in _NO_PLACE):
                raise
        else:
            return
    raise UnavailableError(
        "the machine has no free PCI slot that takes a device while it runs: start it with "
        "-device pcie-root-port,id=spare,chassis=9 (q35), or take another device away"
    )


async def _root_ports(client: QMPClient) -> list[str]:
    """The ports of a PCI Express machine that are free: each has one slot, which QEMU forgets."""
    places = [await property_of(client, path, "parent_bus") for path, _ in await devices(client)]
    return [
        path.rpartition("/")[2]
        for path, kind in await devices(client)
        if kind == "pcie-root-port" and not any(place.startswith(f"{path}/") for place in places)
    ]


async def _remove_device(client: QMPClient, device: str, patience: float) -> None:
    """Remove a device, and wait until it has gone: the guest may have to agree."""
    with client.listener("DEVICE_DELETED") as events:
        await execute(client, "device_del", {"id": device})
        try:
            async with asyncio.timeout(patience):
                async for event in events:
                    if _data(event).get("device") == device:
                        return
        except TimeoutError:
            raise UnavailableError(
                f"the guest has not let {device} go within {patience:g} s: is it booted, and "
                "running? Detach again once it is"
            ) from None


def _data(event: Any) -> dict[str, Any]:
    data = event.get("data", {})
    return data if isinstance(data, dict) else {}


@contextlib.asynccontextmanager
async def _connected(path: str) -> AsyncIterator[QMPClient]:
    """A client of the QMP socket at ``path``. Raises UnavailableError."""
    client = QMPClient("vsocks")
    await reach(client, path)
    try:
        yield client
    finally:
        with contextlib.suppress(QMPError, OSError):
            await client.disconnect()


async def reach(client: QMPClient, path: str) -> None:
    """Connect a client to the QMP socket at ``path``. Raises UnavailableError."""
    try:
        async with asyncio.timeout(_GREETING):
            await client.connect(path)
    except TimeoutError:
        raise UnavailableError(
            f"QEMU says nothing at {path}: it serves one program at a time, so another one "
            "(libvirt?) may have it; start QEMU with a second -qmp unix:PATH,server=on,wait=off"
        ) from None
    except (QMPError, OSError) as error:
        cause = error.__cause__ or error
        raise UnavailableError(f"can't speak QMP at {path}: {describe(cause)}") from None
