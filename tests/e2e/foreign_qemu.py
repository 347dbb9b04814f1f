"""A machine that a stranger has started, with no help of the harness, and what they see of it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.agent_port import AgentPort
from harness.debian_machine import READY
from harness.image import Image
from harness.targets import FileServer, payload, serving, sha256
from harness.testing.pair import VsocksPair
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support.program import running

CARD = (
    *("-netdev", "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"),
    *("-device", "virtio-net-pci,netdev=net,romfile="),
)
"""A card by which SSH gets in."""
LISTS = (
    "find /root /opt /tmp /var/tmp /var/log /usr/local -xdev | sort",
    # Children of 2 are the kernel's own threads, which come and go.
    "ps --ppid 2 -p 2 --deselect -o args= | grep -v '^ps \\|^sort\\|^grep\\|^/bin/bash -c' | sort",
    "ls -l /proc/$(pidof qemu-ga)/fd | grep -c /",
)
"""What must be the same in the guest: files, programs, what the agent has open."""


@dataclass(frozen=True, slots=True)
class ForeignQemu:
    """The machine; its owner has a monitor of their own, and its agent's port when it is free."""

    folder: Path

    @property
    def qmp(self) -> Path:
        """The monitor for others."""
        return self.folder / "qmp"

    @property
    def agent(self) -> Path:
        """The host's end of the agent's port."""
        return self.folder / "agent"

    @property
    def channel(self) -> Path:
        """That of the port for vsocks, if there is one."""
        return self.folder / "channel"

    def wait_until_booted(self) -> None:
        """Until all has begun that begins by itself: the agent first, and then sshd."""
        self.software()

        def has_sshd() -> None:
            assert re.search(READY, (self.folder / "console").read_text(errors="replace"))

        eventually(has_sshd)

    def ask(self, command: str, **arguments: object) -> Any:
        """What QEMU answers the owner."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(DEADLINE)
            monitor.connect(str(self.folder / "own-qmp"))
            lines = monitor.makefile("rw")
            for each in (
                {"execute": "qmp_capabilities"},
                {"execute": command, "arguments": arguments},
            ):
                lines.write(json.dumps(each) + "\n")
                lines.flush()
                while "return" not in (answer := json.loads(lines.readline())):
                    assert "error" not in answer, answer
            return answer["return"]

    def ssh_port(self) -> int:
        """Of our 127.0.0.1, with CARD."""
        table = self.ask("human-monitor-command", **{"command-line": "info usernet"})
        found = re.search(r"TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)", table)
        assert found, table
        return int(found[1])

    def hardware(self) -> dict[str, Any]:
        """All of the machine that attaching could change."""
        return {
            "status": self.ask("query-status"),
            "blocks": [each["device"] for each in self.ask("query-block")],
            "named": self.ask("qom-list", path="/machine/peripheral"),
            "others": self.ask("qom-list", path="/machine/peripheral-anon"),
            "chardevs": [
                (each["label"], each["filename"])
                for each in self.ask("query-chardev")
                if each["label"] != "own-qmp"
            ],
            "pci": self.ask("query-pci"),
        }

    def software(self) -> list[str]:
        """All of its guest that it could change."""
        agent = AgentPort(self.agent)
        try:
            return [agent.run(command, DEADLINE).stdout for command in LISTS]
        finally:
            agent.close()

    def check(self, hardware: dict[str, Any], software: list[str] | None = None) -> None:
        """Both are as they were; QEMU and sshd may need a moment to see that we hung up."""

        def is_as_it_was() -> None:
            assert self.hardware() == hardware

        def is_in_the_guest() -> None:
            if software is not None:
                pairs = zip(software, self.software(), strict=True)
                changes = [set(now.splitlines()) ^ set(then.splitlines()) for then, now in pairs]
                assert not any(changes), f"not as it was in the guest: {changes}"

        eventually(is_as_it_was)
        eventually(is_in_the_guest)


@contextmanager
def foreign_qemu(image: Image, folder: Path, *options: str) -> Iterator[ForeignQemu]:
    """One of them that boots the Debian guest, and writes nothing to its disk."""
    machine = ForeignQemu(folder)
    command = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-vga", "std", "-m", "768"]
    command += ["-accel", "tcg", "-cpu", "max,smap=off"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    command += ["-append", "console=ttyS0 quiet panic=-1", "-serial", f"file:{folder}/console"]
    command += ["-drive", f"file={image.disk},format=raw,if=virtio,snapshot=on"]
    command += ["-qmp", f"unix:{machine.qmp},server=on,wait=off"]
    command += ["-chardev", f"socket,id=own-qmp,path={folder}/own-qmp,server=on,wait=off"]
    command += ["-mon", "chardev=own-qmp,mode=control"]
    command += ["-device", "virtio-serial-pci,id=serial"]
    command += ["-chardev", f"socket,id=ga,path={machine.agent},server=on,wait=off"]
    command += ["-device", "virtserialport,chardev=ga,name=org.qemu.guest_agent.0"]
    with running([*command, *options], stdin=subprocess.DEVNULL) as process:

        def is_there() -> None:
            assert process.poll() is None, "QEMU has ended"
            try:
                assert machine.ask("query-status")["running"]
            except OSError as error:
                raise AssertionError("it doesn't listen yet") from error

        eventually(is_there)
        yield machine


def port_for_vsocks(machine_folder: Path) -> tuple[str, ...]:
    """Options that give it a port for vsocks."""
    return (
        *("-chardev", f"socket,id=vs,path={machine_folder}/channel,server=on,wait=off"),
        *("-device", "virtserialport,chardev=vs,name=org.vsocks.0,id=vsport"),
    )


def check_a_page_comes(pair: VsocksPair) -> None:
    """By vsocks, and by nothing else."""
    content = payload(1_000_003)
    pair.start_both()
    with serving(FileServer(content)) as server:
        pair.guest.fail(f"curl -fsS --max-time 3 {server.url}")
        fetch = f"curl -fsS --proxy {pair.proxy} {server.url} | sha256sum"
        assert pair.guest.succeed(fetch).split()[0] == sha256(content)
