"""A machine with Secure Boot and a TPM: real firmware and a real swtpm, up to the prompt."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.programs import MissingProgramError
from harness.spec import Accel
from harness.vm import VM
from harness.windows.image import windows_spec
from harness.windows.machine import Firmware, WindowsSpec
from harness.windows.parts import Parts, new_parts
from tests.integration.windows_vm.grub_disc import grub_disc

SECURE = Firmware.SECURE.code
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400, func_only=True),
    pytest.mark.skipif(not SECURE.is_file(), reason=f"no {SECURE}: install the package ovmf"),
    pytest.mark.skipif(not shutil.which("swtpm"), reason="swtpm is not installed"),
]

SECONDS = 120
SHELL = '"EFI Internal Shell"'
BUFFER = 0xFED40080
"""Where a TPM with a command response buffer (CRB) answers, as the PC Client profile has it."""
SUCCESS = "0x80 0x01"
"""How an answer begins: TPM_ST_NO_SESSIONS."""


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    folder = tmp_path / "parts"
    folder.mkdir()
    return new_parts(folder, 1, Firmware.SECURE)


def machine(parts: Parts) -> WindowsSpec:
    return windows_spec(parts, Accel.TCG, 512, 1, Firmware.SECURE)


def wait_for_prompt(vm: VM, after: int = 0) -> None:
    """Where the firmware stays with nothing to boot: Secure Boot refuses its own shell, too."""
    # To a machine that should have booted, it is a failure that the shell starts.
    started = vm.console.wait(rf"starting Boot\d+ {SHELL}", timeout=SECONDS, after=after)
    # The end of the line, "Security Violation", may lack characters on a busy machine.
    refused = rf"failed to start Boot\d+ {SHELL}"
    vm.console.wait(refused, timeout=SECONDS, after=started.number + 1)


def answered(vm: VM) -> str:
    """The first bytes of what the TPM has said last to the firmware."""
    look = f"xp /2xb {BUFFER:#x}"
    printed: str = vm.qmp.execute("human-monitor-command", {"command-line": look})
    return printed.partition(": ")[2].strip()


def test_the_firmware_comes_up_with_secure_boot_and_speaks_with_the_tpm(parts: Parts) -> None:
    with VM(machine(parts)) as vm:
        wait_for_prompt(vm)
        [tpm] = vm.qmp.execute("query-tpm")
        assert (tpm["model"], tpm["options"]["type"]) == ("tpm-crb", "emulator")
        assert answered(vm) == SUCCESS
        assert (parts.tpm / "tpm2-00.permall").stat().st_size
        swtpm = vm.qemu.tpm
        assert swtpm
        assert Path(f"/proc/{swtpm.pid}").exists()
    assert not Path(f"/proc/{swtpm.pid}").exists()


def test_what_nobody_has_signed_is_not_started(parts: Parts, tmp_path: Path) -> None:
    disc = grub_disc("echo 'GRUB runs'\nsleep 60\n", tmp_path / "disc")
    with VM(replace(machine(parts), cdroms=(disc,))) as vm:
        vm.console.wait(
            r"BdsDxe: failed to load Boot\d+ .*DVD-ROM.*: Access Denied",
            timeout=SECONDS,
            failing=("GRUB runs",),
        )
    plain = replace(machine(parts), firmware=Firmware.PLAIN, tpm=None, cdroms=(disc,))
    shutil.copy(Firmware.PLAIN.variables, parts.variables)
    with VM(plain) as vm:
        vm.console.wait("GRUB runs", timeout=SECONDS)


def test_its_state_is_kept_in_a_snapshot_with_that_of_the_tpm(parts: Parts, tmp_path: Path) -> None:
    with VM(machine(parts)) as vm:
        wait_for_prompt(vm)
        vm.save_snapshot("warm")
    copied = tmp_path / "copied"
    copied.mkdir()
    with VM(machine(parts.copy(copied))) as vm:
        vm.load_snapshot("warm")
        assert answered(vm) == SUCCESS
        mark = vm.console.mark()
        vm.reset()
        wait_for_prompt(vm, mark)


def test_a_machine_whose_power_is_cut_boots_again_with_the_same_tpm(parts: Parts) -> None:
    with VM(machine(parts)) as vm:
        wait_for_prompt(vm)
        first = vm.qemu.tpm
        vm.cut_power()
        assert first
        assert not Path(f"/proc/{first.pid}").exists()
        mark = vm.console.mark()
        vm.boot_again()
        wait_for_prompt(vm, mark)
        assert answered(vm) == SUCCESS


def test_without_swtpm_it_is_said_how_to_get_it(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingProgramError, match=re.escape("apt-get install swtpm")):
        VM(machine(parts)).__enter__()
