"""A libvirtd of a test's own, as an ordinary user."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.support.another_user import folder_for_all, unprivileged
from tests.integration.support.waiting import DEADLINE, eventually

NEEDED = ("libvirtd", "virsh", "qemu-system-x86_64")
MISSING = [name for name in NEEDED if not shutil.which(name, path="/usr/sbin:/usr/bin:/bin")]
if importlib.util.find_spec("libvirt") is None:
    MISSING.append("libvirt-python")

DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='unix'><target type='virtio' name='{port}'/></channel>
  </devices>
</domain>
"""


@dataclass
class Libvirt:
    """A libvirtd in session mode, whose files are all in one folder."""

    folder: Path
    prefix: Sequence[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start libvirtd, and wait until it answers."""
        log = self.folder / "libvirtd.log"
        with log.open("ab") as output:
            command = [*self.prefix, "/usr/sbin/libvirtd"]
            process = self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

        def is_up() -> None:
            assert process.poll() is None, log.read_text()
            assert self.virsh("list").returncode == 0

        eventually(is_up)

    def stop(self) -> None:
        """End libvirtd; its machines go on."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(DEADLINE)

    @property
    def environment(self) -> dict[str, str]:
        """Of a daemon that is to ask it."""
        return {"LIBVIRT_DEFAULT_URI": self.uri}

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"qemu:///session?socket={self.folder}/libvirt/libvirt-sock"

    def virsh(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What virsh says, and its status."""
        return subprocess.run(
            [*self.prefix, "virsh", "--quiet", "--connect", "qemu:///session", *words],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def run(self, *words: str) -> str:
        """What virsh says; it has to succeed."""
        done = self.virsh(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def define(self, name: str, port: str) -> None:
        """A domain that has nothing to boot."""
        self.define_by(name, DOMAIN.format(name=name, port=port))

    def define_by(self, name: str, text: str) -> None:
        """A domain by its XML."""
        xml = self.folder / f"{name}.xml"
        xml.write_text(text)
        xml.chmod(0o644)
        self.run("define", str(xml))


@contextmanager
def libvirtd() -> Iterator[Libvirt]:
    """One that runs; at the end its machines are destroyed."""
    with folder_for_all() as folder:
        environment = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PATH": "/usr/sbin:/usr/bin:/bin",
        }
        words = [f"{name}={value}" for name, value in environment.items()]
        found = Libvirt(folder, (*unprivileged(), "env", "-i", *words))
        found.start()
        try:
            yield found
        finally:
            for name in found.virsh("list", "--name").stdout.split():
                found.virsh("destroy", name)
            found.stop()
