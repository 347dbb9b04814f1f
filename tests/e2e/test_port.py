"""The virtio-serial port by itself: bytes pass in both directions, before vsocks comes in."""

from __future__ import annotations

import pytest

from harness.targets import payload, sha256
from tests.e2e.rig import SOON, Rig

pytestmark = pytest.mark.e2e

PORT = "/dev/virtio-ports/org.vsocks.0"
DATA = payload(500_000)


def test_bytes_from_the_host_reach_the_guest(debian_rig: Rig) -> None:
    mark = debian_rig.vm.qmp.mark()
    with debian_rig.raw_port() as port:
        socat = f"socat -u -b 65536 {PORT},readbytes={len(DATA)} OPEN:/tmp/got,creat"
        receiver = debian_rig.guest.start("socat", socat)
        debian_rig.vm.wait_port(opened=True, timeout=SOON, after=mark)
        port.sendall(DATA)
        debian_rig.vm.wait_port(opened=False, timeout=SOON, after=mark)
    assert debian_rig.guest.succeed("sha256sum < /tmp/got").split()[0] == sha256(DATA)
    assert not receiver.log.text()


def test_bytes_from_the_guest_reach_the_host(debian_rig: Rig) -> None:
    debian_rig.guest.upload({"data": DATA}, "/tmp")
    with debian_rig.raw_port() as port:
        debian_rig.guest.start("socat", f"socat -u OPEN:/tmp/data {PORT}")
        received = b""
        while len(received) < len(DATA):
            more = port.recv(65536)
            assert more, f"end of file after {len(received)} bytes"
            received += more
    assert sha256(received) == sha256(DATA)


def test_a_windows_program_runs_under_wine(debian_rig: Rig) -> None:
    assert "Microsoft Windows 10" in debian_rig.guest.succeed("wine cmd /c ver", timeout=120)
