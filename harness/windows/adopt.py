"""Making an image of a box: a Windows that is installed already is provisioned, and no more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import paramiko

from ..agent import Agent
from ..agent_port import AgentPort
from ..cache import cache_folder, made
from ..progress import say, step
from ..spec import AGENT, Accel
from ..ssh import ANYBODY, SSH, Access
from ..transcript import Line, Transcript
from ..vm import VM
from .box import convert_box, firmware_of
from .build import choose_accel, image_name, make_key, need_firmware, record_of
from .evidence import Evidence
from .image import IMAGES, ImageError, WindowsImage, open_image, windows_spec
from .install import PATIENCE, SHUTDOWN_SECONDS, boot, machine
from .iso import Contents, driver_folder, sha256, write_disc
from .machine import DiskBus, Firmware, WindowsSpec
from .milestones import PROVISIONING, Milestone, watch
from .parts import Parts
from .profile import Profile
from .record import read

BOOT_SECONDS = 600
SCRIPT = r"%d:\vsocks\first-logon.cmd"
CALL = f"for %d in (D E F G H I) do @if exist {SCRIPT} call {SCRIPT}"
"""As the answer file has it: for cmd, and without a quote."""


@dataclass(frozen=True, slots=True)
class Box:
    """A disk with Windows in it, and how to get in: as an administrator, or by its guest agent."""

    file: Path
    user: str
    """Whose account tests will use."""
    password: str = ""
    key: Path | None = None
    agent: bool = False
    """By qemu-guest-agent; else by OpenSSH, with the password or the key."""
    disk_bus: DiskBus = "ahci"
    """What it was installed on: Windows has the driver of that alone ready when it boots."""
    virtio_win_iso: Path | None = None
    """For the vioserial driver, unless it has one."""
    openssh_zip: Path | None = None
    """For an OpenSSH server, unless it has one."""


def adopt(profile: Profile, box: Box) -> WindowsImage:
    """An image with that Windows, or the one that was made of the same things before."""
    check_box(profile, box)
    with step("checksums of what it is made from"):
        files = {"box": box.file, "virtio-win": box.virtio_win_iso, "openssh": box.openssh_zip}
        checksums = {name: sha256(path) for name, path in files.items() if path}
    how = f"{box.user} {box.disk_bus}"
    folder = cache_folder() / IMAGES / image_name(profile, {**checksums, "how": how})
    made(folder, lambda unfinished: _adopt(unfinished, profile, box, checksums))
    return open_image(folder)


def check_box(profile: Profile, box: Box) -> None:
    """Say what is missing or wrong before anything takes long."""
    need_firmware(profile.firmware)
    for path in (box.file, box.key, box.virtio_win_iso, box.openssh_zip):
        if path and not path.is_file():
            raise ImageError(f"there is no file {path}")
    if not box.user:
        raise ImageError("BOX_USER=… is needed: an administrator of the Windows in the box")
    if not box.agent and not box.password and not box.key:
        raise ImageError(
            "no way into the box: BOX_PASSWORD=… or BOX_KEY=FILE for its OpenSSH server, or "
            "BOX_AGENT=1 for its qemu-guest-agent"
        )


def _adopt(folder: Path, profile: Profile, box: Box, checksums: dict[str, str]) -> None:
    evidence = Evidence(cache_folder() / "windows-build")
    choice = choose_accel()
    say(f"   under {choice}; console and screenshots: {evidence.folder}")
    parts = Parts(folder)
    with step("the box's disk, as a qcow2 of our own"):
        convert_box(box.file, parts.disk)
    firmware = firmware_of(parts.disk)
    if firmware is Firmware.PLAIN:
        firmware = profile.firmware
    shutil.copy(firmware.variables, parts.variables)
    disc = folder / "provision.iso"
    with step("the provisioning disc"):
        write_disc(contents(profile, box, make_key(folder / "id_ed25519"), folder), disc)
    spec = windows_spec(parts, Accel(choice.accel), profile.memory_mb, profile.cpus, firmware)
    spec = replace(spec, disk_bus=box.disk_bus)
    built = datetime.now(UTC)
    lines = provision(replace(spec, cdroms=(disc,), agent=box.agent), box, evidence)
    disc.unlink()
    shutil.rmtree(folder / "driver", ignore_errors=True)
    record = record_of(profile, spec, lines, built, checksums)
    replace(record, account=box.user).write(folder)
    with step("booting what came out"):
        image = WindowsImage(folder, read(folder))
        boot(image.spec(spec.accel, image.parts.layer(folder / "try")), evidence)
        shutil.rmtree(folder / "try")


def contents(profile: Profile, box: Box, public_key: str, folder: Path) -> Contents:
    """What the box gets, without an answer file: the same as an installation, by the same disc."""
    from ..exe.python import windows_python

    driver = None
    if box.virtio_win_iso:
        driver = driver_folder(box.virtio_win_iso, profile, folder / "driver")
    return Contents(
        replace(profile, openssh="zip" if box.openssh_zip else "built-in"),
        b"",
        windows_python(),
        driver,
        public_key,
        box.openssh_zip,
        account=box.user,
    )


def provision(spec: WindowsSpec, box: Box, evidence: Evidence) -> dict[str, Line]:
    """Boot the box, have first-logon.cmd run, and follow what it says, until the machine is off.

    The console's lines by the milestones' names.
    """
    patience = PATIENCE[spec.accel]
    with machine(spec, evidence, "provision") as vm:

        def on_reached(number: int, milestone: Milestone, line: Line) -> None:
            evidence.milestone(vm, number, milestone, line)

        with way_in(vm, box, BOOT_SECONDS * patience):
            lines = watch(vm.console, PROVISIONING, on_reached, patience=patience)
        with step("waiting until it has switched itself off"):
            vm.wait_until_off(SHUTDOWN_SECONDS * patience)
    return lines


@contextmanager
def way_in(vm: VM, box: Box, timeout: float) -> Iterator[None]:
    """Have the command run, as long as the block; NoAnswerError if nobody answers in time."""
    with ExitStack() as stack:
        with step("waiting for an answer from the box"), vm.awaiting_an_answer():
            if box.agent:
                agent = stack.enter_context(closing(AgentPort(vm.socket(AGENT), timeout)))
            else:
                ssh = stack.enter_context(closing(open_ssh(vm.ssh_port(), box, timeout)))
        if box.agent:
            run_by_agent(agent)
        else:
            run_by_ssh(ssh)
        yield


def open_ssh(port: int, box: Box, timeout: float) -> SSH:
    """As the box's user, at a port of ours; ImageError if the server refuses."""
    access = Access(port, box.user, box.key or Path(), ANYBODY, password=box.password)
    try:
        return SSH(access, timeout)
    except paramiko.AuthenticationException as error:
        by = "this password" if box.password else f"the key {box.key}"
        raise ImageError(f"the box lets nobody in as {box.user} by {by}: {error}") from error


def run_by_agent(agent: Agent) -> None:
    """Start it. Each word is an argument of its own: Windows' agent would quote one with spaces."""
    agent.execute("guest-exec", {"path": "cmd.exe", "arg": ["/c", *CALL.split()]})


def run_by_ssh(ssh: SSH) -> None:
    """Start it. In quotes, because the server's shell may be another one than cmd."""
    ssh.follow(f'cmd.exe /c "{CALL}"', Transcript("the way into the box"))
