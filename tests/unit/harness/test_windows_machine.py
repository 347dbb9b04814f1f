"""The command line of the Windows machine."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.spec import Accel, Wiring
from harness.windows.machine import HYPER_V, Firmware, WindowsSpec

pytestmark = pytest.mark.unit

SPEC = WindowsSpec(Path("/d/disk"), Path("/d/vars"), Accel.KVM, cdroms=(Path("/w"), Path("/p")))
WIRING = Wiring(Path("/run/vm"), qmp_fd=7, console_fd=8)


def option(spec: WindowsSpec, name: str) -> list[str]:
    """All values that are given to an option."""
    return [after for before, after in pairwise(spec.argv(WIRING)) if before == name]


def test_windows_finds_drivers_of_its_own_for_all_that_setup_needs() -> None:
    devices = " ".join(option(SPEC, "-device"))
    assert "ide-hd" in devices
    assert "ide-cd" in devices
    assert "e1000e" in devices
    for wanting in ("virtio-blk", "virtio-scsi", "virtio-net"):
        assert wanting not in devices


def test_the_disk_is_tried_before_the_disc_that_wants_a_key() -> None:
    disk, windows, provision = [it for it in option(SPEC, "-device") if it.startswith("ide-")]
    assert disk.endswith("bus=ide.0,bootindex=0")
    assert windows.endswith("bus=ide.1,bootindex=1")
    assert "bootindex" not in provision


def test_discs_and_firmware_are_not_written_to() -> None:
    nodes = option(SPEC, "-blockdev")
    assert all("read-only=on" in node for node in nodes if "/w" in node or "/p" in node)
    assert "node-name=code" in nodes[0]
    assert "read-only=on" in nodes[0]
    assert "read-only" not in nodes[1]


def test_hyper_v_flags_are_given_one_by_one_and_only_to_kvm() -> None:
    assert option(SPEC, "-cpu") == [",".join(["host", *HYPER_V])]
    assert "hv-passthrough" not in option(SPEC, "-cpu")[0]
    # Each of these wants others: QEMU refuses to start without them.
    assert {"hv-synic", "hv-time", "hv-vpindex", "hv-stimer"} <= set(HYPER_V)
    assert option(replace(SPEC, accel=Accel.TCG), "-cpu") == ["max"]


def test_it_has_the_same_port_and_console_as_any_machine() -> None:
    port = "virtserialport,bus=ports.0,chardev=vsocks0c,name=org.vsocks.0,id=vsocks0"
    assert port in option(SPEC, "-device")
    assert "socket,id=console,fd=8" in option(SPEC, "-chardev")
    assert option(SPEC, "-serial") == ["chardev:console"]


def test_only_a_build_that_activates_reaches_the_internet() -> None:
    [closed] = option(SPEC, "-netdev")
    [opened] = option(replace(SPEC, to_the_internet=True), "-netdev")
    assert "restrict=on" in closed.split(",")
    assert "restrict=on" not in opened.split(",")
    assert "hostfwd=tcp:127.0.0.1:0-:22" in opened.split(",")


def test_secure_boot_takes_smm_and_a_tpm_takes_its_connection() -> None:
    assert "q35,smm=off" in option(SPEC, "-machine")
    assert not option(SPEC, "-tpmdev")
    secure = replace(SPEC, firmware=Firmware.SECURE, tpm=Path("/d/tpm"))
    wired = replace(WIRING, tpm_fd=9)
    line = " ".join(secure.argv(wired))
    assert "-machine q35,smm=on" in line
    assert "-global driver=cfi.pflash01,property=secure,value=on" in line
    assert "OVMF_CODE_4M.secboot.fd,read-only=on" in line
    assert "-chardev socket,id=tpmc,fd=9" in line
    assert "-device tpm-crb,tpmdev=tpm0" in line


def test_a_box_is_booted_as_it_was_made() -> None:
    bios = replace(SPEC, firmware=Firmware.BIOS, disk_bus="scsi", agent=True)
    line = " ".join(bios.argv(WIRING))
    assert "pflash" not in line
    assert "-device virtio-scsi-pci,id=scsi" in line
    assert "-device scsi-hd,drive=disk,bus=scsi.0,bootindex=0" in line
    assert "bus=agent-ports.0,chardev=agentc,name=org.qemu.guest_agent.0,id=agent" in line
    virtio = " ".join(replace(SPEC, disk_bus="virtio").argv(WIRING))
    assert "-device virtio-blk-pci,drive=disk,bootindex=0" in virtio
    assert "guest_agent" not in virtio
