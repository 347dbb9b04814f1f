"""A port for a QEMU that runs, by QMP, and its end; tests/integration has the commands."""

from __future__ import annotations

import asyncio
import shutil
import socket
from pathlib import Path

import pytest
from qemu.qmp import QMPClient

from tests.integration.support.stopped_qemu import ROOT_PORT, stopped_machine
from tests.integration.support.waiting import eventually
from vsocks.errors import UnavailableError
from vsocks.host.qemu import Attachment, attach, detach, reach
from vsocks.host.qemu_devices import SerialPort, serial_ports

pytestmark = [
    pytest.mark.one_process,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="there is no QEMU here"),
]

PATIENCE = 30.0


def test_it_comes_and_goes(tmp_path: Path) -> None:
    path = tmp_path / "channel"
    wanted = Attachment("door", str(path), "org.vsocks.0", "")
    with stopped_machine(tmp_path, *ROOT_PORT) as qmp:
        asyncio.run(attach(str(qmp), wanted))
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(path))
        with pytest.raises(UnavailableError):
            asyncio.run(attach(str(qmp), wanted))
        asyncio.run(detach(str(qmp), Attachment("door"), PATIENCE))
        assert not path.exists()
        with pytest.raises(UnavailableError):
            asyncio.run(detach(str(qmp), Attachment("door"), PATIENCE))


def test_a_bus_that_there_is_not_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "channel"
    with stopped_machine(tmp_path, "-machine", "pc") as qmp:
        with pytest.raises(UnavailableError, match="nowhere"):
            asyncio.run(attach(str(qmp), Attachment("door", str(path), "org.vsocks.0", "nowhere")))
        asyncio.run(attach(str(qmp), Attachment("door", str(path), "org.vsocks.0", "")))
        assert path.exists()


def test_nobody_listens_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="No such file"):
        asyncio.run(detach(str(tmp_path / "qmp"), Attachment("door"), PATIENCE))


def test_ports_are_told_with_who_is_at_their_sockets(tmp_path: Path) -> None:
    path = tmp_path / "agent"
    options = (
        *("-machine", "pc", "-device", "virtio-serial-pci"),
        *("-chardev", f"socket,id=ga,path={path},server=on,wait=off"),
        *("-device", "virtserialport,chardev=ga,name=org.example.agent"),
        *("-chardev", "null,id=none", "-device", "virtserialport,chardev=none,name=other,id=door"),
    )

    async def ports(qmp: Path) -> list[SerialPort]:
        client = QMPClient("test")
        await reach(client, str(qmp))
        try:
            return await serial_ports(client)
        finally:
            await client.disconnect()

    with stopped_machine(tmp_path, *options) as qmp:
        other = SerialPort("other", "door", "none", "", is_taken=False, is_open=False)
        agent = SerialPort("org.example.agent", "", "ga", str(path), is_taken=False, is_open=False)
        assert asyncio.run(ports(qmp)) == [other, agent]
        with socket.socket(socket.AF_UNIX) as somebody:
            somebody.connect(str(path))

            def is_noticed() -> None:
                assert asyncio.run(ports(qmp))[1].is_taken

            eventually(is_noticed)
