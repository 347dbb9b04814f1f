"""Boxes: what is in them, and the ways in. The disks are small, and there is no Windows in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.agent_port import AgentPort
from harness.process import HostProcess
from harness.programs import SYSTEM
from harness.ssh import ANYBODY, SSH
from harness.windows.adopt import CALL, Box, check_box, open_ssh, run_by_agent, run_by_ssh
from harness.windows.box import convert_box, firmware_of
from harness.windows.build import make_key
from harness.windows.image import ImageError
from harness.windows.machine import Firmware
from harness.windows.profile import load
from tests.integration.support.waiting import DEADLINE, eventually
from tests.integration.windows_vm.sshd import sshd

pytestmark = pytest.mark.integration

PROFILE = load("server-2022")
CONTENT = b"what is on the disk"
PLACE = 1 << 20


def raw_disk(path: Path, label: str = "gpt") -> Path:
    """A partitioned disk with something in its middle."""
    with path.open("wb") as file:
        file.truncate(4 << 20)
    script = f"label: {label}\nstart=2048\n"
    subprocess.run(["sfdisk", "-q", str(path)], input=script.encode(), check=True)
    with path.open("r+b") as file:
        file.seek(PLACE)
        file.write(CONTENT)
    return path


def disk(path: Path, label: str = "gpt") -> Path:
    """The same in the format that its name says."""
    raw = raw_disk(path.with_suffix(".raw"), label)
    form = path.suffix[1:]
    subprocess.run(["qemu-img", "convert", "-O", form, str(raw), str(path)], check=True)
    return path


def vagrant_box(path: Path, members: dict[str, Path], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, member in members.items():
            tar.add(member, name)
    return path


def metadata(folder: Path) -> Path:
    path = folder / "metadata.json"
    path.write_text('{"provider": "libvirt", "format": "qcow2", "virtual_size": 1}')
    return path


def content(qcow2: Path) -> bytes:
    raw = qcow2.with_suffix(".read")
    subprocess.run(
        ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(qcow2), str(raw)], check=True
    )
    return raw.read_bytes()[PLACE : PLACE + len(CONTENT)]


@pytest.mark.parametrize("suffix", ["qcow2", "vhdx"])
def test_a_disk_becomes_a_qcow2_of_our_own(tmp_path: Path, suffix: str) -> None:
    convert_box(disk(tmp_path / f"box.{suffix}"), tmp_path / "ours.qcow2")
    assert content(tmp_path / "ours.qcow2") == CONTENT


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_box_of_vagrants_has_one_for_libvirt_in_it(tmp_path: Path, mode: str) -> None:
    members = {"./metadata.json": metadata(tmp_path), "./box.img": disk(tmp_path / "a.qcow2")}
    box = vagrant_box(tmp_path / "windows.box", members, mode)
    convert_box(box, tmp_path / "ours.qcow2")
    assert content(tmp_path / "ours.qcow2") == CONTENT
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_or_one_for_hyper_v(tmp_path: Path) -> None:
    members = {
        "metadata.json": metadata(tmp_path),
        "Virtual Hard Disks/w.vhdx": disk(tmp_path / "w.vhdx"),
    }
    convert_box(vagrant_box(tmp_path / "windows.box", members), tmp_path / "ours.qcow2")
    assert content(tmp_path / "ours.qcow2") == CONTENT


def test_what_is_no_box_is_refused(tmp_path: Path) -> None:
    def refusal(box: Path) -> str:
        with pytest.raises(ImageError) as caught:
            convert_box(box, tmp_path / "ours.qcow2")
        return str(caught.value)

    assert "a .qcow2, a .vhdx, or a .box" in refusal(tmp_path / "box.vmdk")
    (tmp_path / "text.qcow2").write_text("not a disk" * 100)
    assert "Image is not in qcow2 format" in refusal(tmp_path / "text.qcow2")
    (tmp_path / "text.box").write_text("not a tar")
    assert "is no box of Vagrant's" in refusal(tmp_path / "text.box")
    other = vagrant_box(tmp_path / "other.box", {"box.ovf": metadata(tmp_path)})
    assert "another provider than libvirt or Hyper-V" in refusal(other)


def test_a_disk_that_would_have_us_read_another_file_is_refused(tmp_path: Path) -> None:
    secret, box = raw_disk(tmp_path / "secret"), tmp_path / "box.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(box)],
        check=True,
    )
    with pytest.raises(ImageError, match="needs another file"):
        convert_box(box, tmp_path / "ours.qcow2")
    external = f"data_file={tmp_path / 'data'},data_file_raw=on"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", external, str(box), "1M"], check=True
    )
    with pytest.raises(ImageError, match="needs another file"):
        convert_box(box, tmp_path / "ours.qcow2")


def test_the_firmware_is_told_from_the_partitions(tmp_path: Path) -> None:
    assert firmware_of(disk(tmp_path / "uefi.qcow2")) is Firmware.PLAIN
    assert firmware_of(disk(tmp_path / "bios.qcow2", "dos")) is Firmware.BIOS


def test_what_is_missing_is_told_before_anything_is_done(tmp_path: Path) -> None:
    there = disk(tmp_path / "box.qcow2")
    whole = Box(there, "vagrant", "secret")
    check_box(PROFILE, whole)
    for wrong, complaint in (
        (replace(whole, file=tmp_path / "none"), "there is no file"),
        (replace(whole, key=tmp_path / "none"), "there is no file"),
        (replace(whole, user=""), "BOX_USER=… is needed"),
        (replace(whole, password=""), "no way into the box: BOX_PASSWORD=…"),
    ):
        with pytest.raises(ImageError, match=complaint):
            check_box(PROFILE, wrong)
    check_box(PROFILE, replace(whole, password="", agent=True))


def noting(program: Path, what: str) -> Path:
    """A program that leaves something of how it was called in a file, which comes up whole."""
    note = program.with_suffix(".note")
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' {what} > {note}.new\nmv {note}.new {note}\n")
    program.chmod(0o755)
    return note


def noted(note: Path) -> list[str]:
    def there() -> list[str]:
        assert note.exists()
        return note.read_text().splitlines()

    return eventually(there)


def test_the_command_arrives_by_ssh_at_a_server_not_known_before(tmp_path: Path) -> None:
    note = noting(tmp_path / "shell", '"$SSH_ORIGINAL_COMMAND"')
    with sshd(tmp_path, f"ForceCommand {tmp_path / 'shell'}") as server:
        ssh = SSH(replace(server.access, host_key=ANYBODY))
        run_by_ssh(ssh)
        assert noted(note) == [f'cmd.exe /c "{CALL}"']
        ssh.close()


def test_a_key_that_opens_nothing_is_told(tmp_path: Path) -> None:
    make_key(tmp_path / "wrong")
    with sshd(tmp_path) as server:
        box = Box(tmp_path, server.access.account, key=tmp_path / "wrong")
        with pytest.raises(ImageError, match=r"lets nobody in as .* by the key .*wrong"):
            open_ssh(server.access.port, box, DEADLINE)


AGENT = shutil.which("qemu-ga", path=f"{os.environ['PATH']}:{SYSTEM}")


@pytest.mark.skipif(AGENT is None, reason="needs qemu-guest-agent")
def test_the_command_arrives_by_the_agent_word_by_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = noting(tmp_path / "cmd.exe", '"$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    socket = tmp_path / "agent.sock"
    command = [str(AGENT), "--method=unix-listen", f"--path={socket}", f"--statedir={tmp_path}"]
    with HostProcess("qemu-ga", command, tmp_path):
        agent = AgentPort(socket, DEADLINE)
        run_by_agent(agent)
        assert noted(note) == ["/c", *CALL.split()]
        agent.close()
