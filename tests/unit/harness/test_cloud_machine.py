"""The command line of a machine that boots an image by firmware."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.cloud.firmware import OVMF, Firmware
from harness.cloud.machine import CloudSpec, Files
from harness.spec import Accel, Wiring

pytestmark = pytest.mark.unit

SPEC = CloudSpec(Files(Path("/d")), Firmware.BIOS, Accel.TCG)
UEFI = replace(SPEC, firmware=Firmware.UEFI)
WIRING = Wiring(Path("/run/vm"), qmp_fd=7, console_fd=8)


def option(spec: CloudSpec, name: str) -> list[str]:
    """All values that are given to an option."""
    return [after for before, after in pairwise(spec.argv(WIRING)) if before == name]


def test_the_disk_is_booted_and_the_seed_is_read_only_beside_it() -> None:
    disk, seed = option(SPEC, "-blockdev")
    assert "file.filename=/d/disk.qcow2" in disk.split(",")
    assert {"file.filename=/d/seed.iso", "read-only=on", "driver=raw"} <= set(seed.split(","))
    of_disk, of_seed = [it for it in option(SPEC, "-device") if it.startswith("virtio-blk")]
    assert of_disk == "virtio-blk-pci,drive=disk,bootindex=0"
    assert of_seed == "virtio-blk-pci,drive=seed"
    assert "-kernel" not in SPEC.argv(WIRING)


def test_bios_speaks_on_the_console() -> None:
    assert option(SPEC, "-fw_cfg") == ["name=etc/sercon-port,file=/d/console-of-bios"]
    assert not [node for node in option(SPEC, "-blockdev") if "OVMF" in node]


def test_uefi_has_variables_of_the_machine_s_own() -> None:
    code, variables = [it for it in option(UEFI, "-blockdev") if it.startswith("driver=file,")]
    assert {f"filename={OVMF.code}", "read-only=on"} <= set(code.split(","))
    assert "filename=/d/variables.fd" in variables.split(",")
    assert "read-only" not in variables
    assert "pflash0=code,pflash1=variables" in option(UEFI, "-machine")
    assert option(UEFI, "-fw_cfg") == []


def test_the_card_reaches_nothing() -> None:
    [card] = option(SPEC, "-netdev")
    assert "restrict=on" in card.split(",")


def test_it_has_a_port_for_vsocks_and_one_of_another_device_for_the_agent() -> None:
    devices = option(SPEC, "-device")
    assert "virtserialport,bus=ports.0,chardev=vsocks0c,name=org.vsocks.0,id=vsocks0" in devices
    [agent] = [device for device in devices if "guest_agent" in device]
    assert "bus=agent-ports.0" in agent.split(",")
