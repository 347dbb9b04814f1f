"""OpenSSH: `ssh -D` to a `sshd -i`, joined by a unix socket that each has as its own descriptor.

Keys, configuration and everything else are thrown away with the directory. A system's sshd is
neither used nor touched.
"""

import getpass
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import pass_fd
from .child import PATIENCE, Child
from .load.workloads import Routes
from .peer import Targets, Way
from .ports import free_port
from .through import by_socks

CIPHER = "aes128-gcm@openssh.com"
"""The quickest that OpenSSH offers on processors with AES instructions."""

SSHD = "/usr/sbin/sshd"
"""sshd insists on an absolute path: it starts itself again."""

SERVER = """\
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
Compression no
Ciphers {cipher}
LogLevel ERROR
"""

CLIENT = """\
IdentityFile {directory}/user_key
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile {directory}/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking accept-new
BatchMode yes
ExitOnForwardFailure yes
Compression no
Ciphers {cipher}
LogLevel ERROR
ProxyUseFdpass yes
ProxyCommand {python} {pass_fd} {directory}/pipe
PermitLocalCommand yes
LocalCommand echo forwarding >&2
"""


@contextmanager
def ssh(targets: Targets, directory: Path) -> Iterator[Way[Routes]]:
    _write_files(directory)
    if os.geteuid() == 0:
        # sshd chroots into this empty directory before it knows its client, if it is root.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    client = [
        *("ssh", "-F", f"{directory}/ssh_config", "-N", "-D", f"127.0.0.1:{port}"),
        f"{getpass.getuser()}@guest",
    ]
    server = [SSHD, "-i", "-e", "-f", f"{directory}/sshd_config"]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/pipe")
        listener.listen()
        listener.settimeout(PATIENCE)
        with Child(client, directory / "ssh.log") as inner:
            pipe, _ = listener.accept()
            with pipe, Child(server, directory / "sshd.log", pipe=pipe) as outer:
                pipe.close()
                inner.wait_for("^forwarding$")  # said once the port of -D listens
                yield Way(by_socks(("127.0.0.1", port), targets), [inner, outer])


def _write_files(directory: Path) -> None:
    names = {
        "directory": directory,
        "cipher": CIPHER,
        "python": sys.executable,
        "pass_fd": pass_fd.__file__,
    }
    for key in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / key)]
        subprocess.run(command, check=True, timeout=PATIENCE)
    (directory / "sshd_config").write_text(SERVER.format(**names))
    (directory / "ssh_config").write_text(CLIENT.format(**names))
