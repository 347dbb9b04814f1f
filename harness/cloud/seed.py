"""What cloud-init is told: a disc called `cidata`, from its data source NoCloud.

https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html has the files. The disc is
the guest's disc as well, so that vsocks is installed from it as anybody would do it.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..captured import captured
from ..guest_disc import write_guest_iso
from ..image import ImageError
from ..windows.machine import SAYS
from .machine import Files

LABEL = "cidata"
CONSOLE = "/dev/ttyS0"
"""QEMU's serial port, whichever console the image's kernel has."""
SETUP = f"""\
(
    disc=$(mktemp -d) &&
    mount -o ro /dev/disk/by-label/{LABEL} "$disc" &&
    sh "$disc/install.sh"
) > {CONSOLE} 2>&1
status=$?
systemctl start --no-block qemu-guest-agent
echo
if [ $status = 0 ]; then echo '{SAYS} ready'; else echo '{SAYS} failed: see above'; fi > {CONSOLE}
"""
"""Runs as root when cloud-init has done all else; an agent that isn't there is no failure."""


def user_data(key: str, host_key: str, host_key_public: str) -> str:
    """A cloud-config: root's public key, the pair of keys of its sshd, and our setup.

    Nothing is said of the network: each system asks DHCP by default, and QEMU's answers.
    """
    config = {
        "disable_root": False,
        "ssh_authorized_keys": [key],
        "ssh_keys": {"ed25519_private": host_key, "ed25519_public": host_key_public},
        "runcmd": [["sh", "-c", SETUP]],
    }
    # JSON is YAML, and quotes everything.
    return f"#cloud-config\n{json.dumps(config, indent=2)}\n"


def meta_data() -> str:
    """Which machine this is: one that cloud-init has not seen before."""
    return json.dumps({"instance-id": "vsocks", "local-hostname": "guest"}) + "\n"


def write_seed(files: Files) -> None:
    """Make the keys and the disc. Raises ImageError, or DiscError if xorriso fails."""
    key, host_key = (_key(path) for path in (files.key, files.key_of_host))
    data = user_data(key, files.key_of_host.read_text(), host_key)
    texts = {"user-data": data, "meta-data": meta_data()}
    more = {name: text.encode() for name, text in texts.items()}
    write_guest_iso(files.seed, windows=False, label=LABEL, more=more)


def _key(path: Path) -> str:
    """Make a pair of keys; returns the public one."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vsocks", "-f", str(path)]
    captured(command, ImageError)
    return path.with_suffix(".pub").read_text().strip()
