"""QEMU's command line is a pure function of the description."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.board import BOARDS
from harness.debian_machine import VMSpec
from harness.spec import Accel, Port, Wiring

pytestmark = pytest.mark.unit

SPEC = VMSpec(Path("/i/vmlinuz"), Path("/i/initrd"), Accel.TCG, Path("/d/disk.qcow2"))
WIRING = Wiring(Path("/run/vm"), qmp_fd=7, console_fd=8)


def option(command: list[str], name: str) -> list[str]:
    """All values that are given to an option."""
    return [after for before, after in pairwise(command) if before == name]


def test_the_same_description_gives_the_same_command_line() -> None:
    assert SPEC.argv(WIRING) == replace(SPEC).argv(replace(WIRING))


def test_a_port_is_a_socket_that_does_not_hold_up_the_boot() -> None:
    command = replace(SPEC, ports=(Port("a.b", "one"), Port("c.d", "two"))).argv(WIRING)
    chardevs = option(command, "-chardev")
    assert "socket,id=onec,path=/run/vm/one.sock,server=on,wait=off" in chardevs
    assert "socket,id=twoc,path=/run/vm/two.sock,server=on,wait=off" in chardevs
    devices = option(command, "-device")
    controller = devices.index("virtio-serial-pci,id=ports,addr=0x8")
    first = devices.index("virtserialport,bus=ports.0,chardev=onec,name=a.b,id=one")
    second = devices.index("virtserialport,bus=ports.0,chardev=twoc,name=c.d,id=two")
    assert controller < first < second


def test_the_guest_cannot_reach_out_by_the_management_network() -> None:
    [network] = option(SPEC.argv(WIRING), "-netdev")
    assert "restrict=on" in network.split(",")
    assert "hostfwd=tcp:127.0.0.1:0-:22" in network.split(",")


def test_without_a_card_there_is_no_network_and_the_agent_has_a_device_of_its_own() -> None:
    command = replace(SPEC, card=False).argv(WIRING)
    assert option(command, "-nic") == ["none"]
    assert option(command, "-netdev") == []
    devices = option(command, "-device")
    assert not [device for device in devices if "net" in device]
    [agent] = [device for device in devices if "guest_agent" in device]
    assert "bus=agent-ports.0" in agent.split(",")


def test_monitor_and_console_use_the_inherited_sockets() -> None:
    chardevs = option(SPEC.argv(WIRING), "-chardev")
    assert "socket,id=qmp,fd=7" in chardevs
    assert "socket,id=console,fd=8" in chardevs


@pytest.mark.parametrize(
    ("accel", "cpu"), [(Accel.TCG, "max,smap=off"), (Accel.KVM, "host")], ids=["tcg", "kvm"]
)
def test_the_processor_suits_the_accelerator(accel: Accel, cpu: str) -> None:
    command = replace(SPEC, accel=accel).argv(WIRING)
    assert option(command, "-accel") == [accel.value]
    assert option(command, "-cpu") == [cpu]


def test_a_snapshot_and_a_disk_are_given_only_if_there_are_any() -> None:
    assert "-loadvm" not in SPEC.argv(WIRING)
    assert option(replace(SPEC, snapshot="warm").argv(WIRING), "-loadvm") == ["warm"]
    assert "-blockdev" in SPEC.argv(WIRING)
    assert "-blockdev" not in replace(SPEC, disk=None).argv(WIRING)


def test_the_program_is_whatever_the_one_who_starts_it_says() -> None:
    assert SPEC.argv(WIRING)[0] == "qemu-system-x86_64"
    assert SPEC.argv(replace(WIRING, qemu="/opt/qemu"))[0] == "/opt/qemu"


def test_truth_values_of_the_ports_device_are_words_of_qemu() -> None:
    spec = replace(SPEC, board=BOARDS["q35, packed queues"])
    assert "virtio-serial-pci,id=ports,bus=root-port,packed=on" in option(
        spec.argv(WIRING), "-device"
    )


def test_a_board_without_pci_has_no_device_of_it() -> None:
    spec = replace(SPEC, board=BOARDS["microvm, MMIO"])
    devices = option(spec.argv(WIRING), "-device")
    assert "virtio-blk-device,drive=disk" in devices
    assert "virtio-serial-device,id=ports" in devices
    assert not [device for device in devices if "-pci" in device]


@pytest.mark.parametrize(("accel", "counted"), [(Accel.TCG, ["shift=auto"]), (Accel.KVM, [])])
def test_only_emulation_counts_instructions(accel: Accel, counted: list[str]) -> None:
    spec = replace(SPEC, board=BOARDS["microvm, PCI"], accel=accel)
    assert option(spec.argv(WIRING), "-icount") == counted
