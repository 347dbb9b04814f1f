"""OpenSSH reaches a server in the guest by a port of the host, the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients.support.command import Programs
from tests.integration.conftest import StartPair
from tests.integration.support.layouts import free_port
from tests.integration.support.pattern import pattern
from tests.integration.windows_vm.sshd import Server, sshd

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sshd(tmp_path) as server:
        yield server


def options(server: Server, folder: Path) -> tuple[str, ...]:
    known = folder / "known_hosts"
    known.write_text(f"target ssh-ed25519 {server.access.host_key}\n")
    settings = {
        "HostKeyAlias": "target",
        "IdentitiesOnly": "yes",
        "IdentityFile": server.access.key,
        "UserKnownHostsFile": known,
        "BatchMode": "yes",
    }
    return tuple(f"-o{name}={value}" for name, value in settings.items())


def test_ssh_into_the_guest(
    start_pair: StartPair, programs: Programs, server: Server, tmp_path: Path
) -> None:
    inside, port = server.access.port, free_port()
    start_pair(
        guest_options=("--expose", str(inside)),
        host_options=("--forward", f"{port}:127.0.0.1:{inside}"),
    )
    where = ("-p", str(port), f"{server.access.account}@127.0.0.1")
    ssh = ("ssh", "-F", "none", *options(server, tmp_path), *where)
    data = pattern(1, 0, SIZE)
    assert programs.check(*ssh, "cat", stdin=data).output == data


def test_a_guest_that_exposes_nothing(
    start_pair: StartPair, programs: Programs, server: Server, tmp_path: Path
) -> None:
    inside, port = server.access.port, free_port()
    start_pair(host_options=("--forward", f"{port}:127.0.0.1:{inside}"))
    where = ("-p", str(port), f"{server.access.account}@127.0.0.1")
    done = programs.run("ssh", "-F", "none", *options(server, tmp_path), *where, "echo in")
    assert done.status == 255
    assert done.output == b""
