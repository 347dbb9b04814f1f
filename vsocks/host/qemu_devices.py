"""What a running QEMU tells of its devices and its virtio-serial ports, by QMP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from qemu.qmp import QMPError
from qemu.qmp.qmp_client import ExecuteError

from vsocks.errors import UnavailableError, describe

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

#: Where QEMU keeps the devices that were given an id, and the others.
NAMED: Final = "/machine/peripheral"
_NAMELESS: Final = "/machine/peripheral-anon"
#: How it writes down a chardev that listens on a unix socket, with and without a client.
_FREE: Final = "disconnected:"
_UNIX: Final = "unix:"
_SERVER: Final = ",server=on"


class RefusedError(UnavailableError):
    """QEMU has refused a command."""


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A virtio-serial port of a machine."""

    #: What it is called in the guest, and in QEMU: its device, which may have no id, and chardev.
    name: str
    id: str
    chardev: str
    #: The unix socket on which QEMU listens for it, as QEMU was told; none if it is another thing.
    socket: str
    #: Whether somebody is connected there, and whether a program in the guest has it open.
    is_taken: bool
    is_open: bool


async def execute(client: QMPClient, command: str, arguments: Any = None) -> Any:
    """QEMU's answer. Raises RefusedError, or UnavailableError if QEMU has gone."""
    try:
        return await client.execute(command, arguments)
    except ExecuteError as error:
        raise RefusedError(f"QEMU refuses {command}: {describe(error)}") from None
    except QMPError as error:
        raise UnavailableError(f"QEMU has gone: {describe(error)}") from None


async def serial_ports(client: QMPClient) -> list[SerialPort]:
    """All ports of the machine."""
    backends = {each["label"]: each for each in await execute(client, "query-chardev")}
    return [
        await _port(client, path, backends)
        for path, kind in await devices(client)
        if kind == "virtserialport"
    ]


async def devices(client: QMPClient) -> list[tuple[str, str]]:
    """All that -device and device_add have made: where QEMU keeps each, and what it is."""
    return [
        (f"{folder}/{each['name']}", each["type"].removeprefix("child<").removesuffix(">"))
        for folder in (NAMED, _NAMELESS)
        for each in await listed(client, folder)
        if each["type"].startswith("child<")
    ]


async def listed(client: QMPClient, folder: str) -> list[dict[str, str]]:
    """What is in a folder of QEMU's objects."""
    found: list[dict[str, str]] = await execute(client, "qom-list", {"path": folder})
    return found


async def property_of(client: QMPClient, path: str, name: str) -> str:
    """A property of an object, as text."""
    return str(await execute(client, "qom-get", {"path": path, "property": name}))


async def _port(client: QMPClient, path: str, backends: dict[str, dict[str, Any]]) -> SerialPort:
    folder, _, name = path.rpartition("/")
    chardev = await property_of(client, path, "chardev")
    backend = backends.get(chardev, {"filename": "", "frontend-open": False})
    place = backend["filename"]
    address = place.removeprefix(_FREE)
    listens = address.startswith(_UNIX) and address.endswith(_SERVER)
    return SerialPort(
        name=await property_of(client, path, "name"),
        id=name if folder == NAMED else "",
        chardev=chardev,
        socket=address.removeprefix(_UNIX).removesuffix(_SERVER) if listens else "",
        is_taken=listens and not place.startswith(_FREE),
        is_open=backend["frontend-open"],
    )
