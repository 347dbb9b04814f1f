"""A domain that libvirt runs: attached to, driven, and given back as it was."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from harness.attached import attached
from harness.debian_lab import DebianLab
from harness.image import Image
from harness.libvirt_way import LibvirtAgent
from harness.testing.pair import SOON, VsocksPair
from tests.e2e.foreign_qemu import LISTS, check_a_page_comes
from tests.integration.support.libvirtd import MISSING, Libvirt, libvirtd
from tests.integration.support.waiting import DEADLINE
from vsocks.errors import UnavailableError

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(MISSING), reason=f"missing here: {', '.join(MISSING)}"),
]

PORT = "<channel type='unix'><target type='virtio' name='{}'/></channel>"
AGENT = PORT.format("org.qemu.guest_agent.0")
DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>768</memory>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>{folder}/vmlinuz</kernel>
    <initrd>{folder}/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'><feature policy='disable' name='smap'/></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file'>
      <driver name='qemu' type='qcow2'/><source file='{folder}/{name}.qcow2'/><target dev='vda'/>
    </disk>
    <video><model type='vga'/></video>
    {more}
  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def libvirt(debian: DebianLab) -> Iterator[Libvirt]:
    """With what a domain can boot from, which the user of its QEMU can read."""
    image: Image = debian.machine()[0]
    with libvirtd() as found:
        for name in ("vmlinuz", "initrd", "disk.raw"):
            copy = ("cp", "--reflink=auto", "--sparse=always")
            subprocess.run([*copy, image.folder / name, found.folder / name], check=True)
            (found.folder / name).chmod(0o644)
        yield found


@contextmanager
def domain(libvirt: Libvirt, name: str, more: str) -> Iterator[str]:
    """One that runs."""
    disk = libvirt.folder / f"{name}.qcow2"
    create = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b")
    subprocess.run([*create, libvirt.folder / "disk.raw", disk], check=True)
    disk.chmod(0o666)
    libvirt.define_by(name, DOMAIN.format(name=name, folder=libvirt.folder, more=more))
    libvirt.run("start", name)
    try:
        yield name
    finally:
        libvirt.run("destroy", name)


@pytest.fixture(scope="module")
def machine(libvirt: Libvirt) -> Iterator[str]:
    """With an agent's port, for all tests of this module."""
    with domain(libvirt, "machine", AGENT) as name:
        software(libvirt, name)  # it has booted
        yield name


def hardware(libvirt: Libvirt, name: str) -> tuple[str, ...]:
    """All of the domain that attaching could change."""
    commands = ("dumpxml", "domstate", "domblklist", "qemu-monitor-command")
    ask = ["--cmd", '{"execute": "query-chardev"}']
    seen = [libvirt.run(each, name) for each in commands[:3]]
    chardevs = json.loads(libvirt.run(commands[3], name, ask[1]))["return"]
    return (*seen, json.dumps(chardevs, indent=1))


def software(libvirt: Libvirt, name: str) -> list[str]:
    """All of its guest that it could change."""
    import libvirt as library

    connection = library.open(libvirt.uri)
    try:
        agent = LibvirtAgent(connection.lookupByName(name), 2 * DEADLINE)
        return [agent.run(command, DEADLINE).stdout for command in LISTS]
    finally:
        connection.close()


def test_it_is_driven_and_is_then_as_it_was(libvirt: Libvirt, machine: str) -> None:
    before = hardware(libvirt, machine), software(libvirt, machine)
    with attached(domain=machine, uri=libvirt.uri) as (vm, guest):
        guest.deploy()
        guest.upload({"new/file": b"of ours"}, "/opt/of-a-test")
        assert guest.download("/opt/of-a-test/new/file") == b"of ours"
        guest.start("sleeper", "sleep 1000")
        vm.screenshot(libvirt.folder / "screen")
        assert (libvirt.folder / "screen").read_bytes()[:2] in {b"\x89P", b"P6"}
        pair = VsocksPair(vm, guest)
        try:
            check_a_page_comes(pair)
            assert vm.port_is_open()
        finally:
            pair.close()
        assert hardware(libvirt, machine) != before[0]
    assert (hardware(libvirt, machine), software(libvirt, machine)) == before


def test_one_that_is_paused_is_so_again(libvirt: Libvirt, machine: str) -> None:
    libvirt.run("suspend", machine)
    before = hardware(libvirt, machine)
    with attached(domain=machine, uri=libvirt.uri, plug=False) as (vm, guest):
        assert guest.succeed("echo driven") == "driven\n"
        assert vm.qmp.execute("query-status")["running"]
        vm.pause()
        assert not vm.qmp.execute("query-status")["running"]
    assert hardware(libvirt, machine) == before
    libvirt.run("resume", machine)


def test_it_is_had_by_one_at_a_time(libvirt: Libvirt, machine: str) -> None:
    with (
        attached(domain=machine, uri=libvirt.uri, plug=False),
        pytest.raises(UnavailableError, match="another program has attached"),
        attached(domain=machine, uri=libvirt.uri),
    ):
        pytest.fail("two have it")


def test_what_is_wrong_with_a_domain_is_said(libvirt: Libvirt) -> None:
    libvirt.define_by("off", DOMAIN.format(name="off", folder=libvirt.folder, more=AGENT))
    for name, uri, says in (
        ("nobody", libvirt.uri, "Domain not found: .*nobody"),
        ("off", libvirt.uri, "isn't running: virsh start off"),
        ("off", f"qemu:///session?socket={libvirt.folder}/no", "No such file"),
    ):
        with pytest.raises(UnavailableError, match=says), attached(domain=name, uri=uri):
            pytest.fail("it is there")


def test_one_without_a_controller_is_told_what_it_needs(libvirt: Libvirt) -> None:
    with domain(libvirt, "bare", "") as name:
        before = hardware(libvirt, name)
        with (
            pytest.raises(
                UnavailableError, match=r"and none could be added: .*no virtio-serial controllers"
            ),
            attached(domain=name, uri=libvirt.uri, patience=SOON),
        ):
            pytest.fail("it has no port")
        assert hardware(libvirt, name) == before
