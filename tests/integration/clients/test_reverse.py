"""OpenSSH reaches a server in the guest by a port of the host, the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients.support.command import Programs
from tests.integration.conftest import StartPair
from tests.integration.support.pair import Pair
from tests.integration.windows_vm.sshd import Server, sshd
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003
FAILED = 255
"""ssh's exit status when it has not come in."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sshd(tmp_path) as server:
        yield server


def forward(start_pair: StartPair, inside: int, *guest_options: str) -> Pair:
    """A pair whose host forwards some port of its own to `inside` of the guest."""
    return start_pair(
        guest_options=guest_options, host_options=("--forward", f"0:127.0.0.1:{inside}")
    )


def forwarded_port(pair: Pair) -> str:
    """Where the host listens."""
    return pair.host.wait_for_log(r"forwarding 127\.0\.0\.1:(\d+) to")[1]


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
    inside = server.access.port
    port = forwarded_port(forward(start_pair, inside, "--expose", str(inside)))
    where = ("-p", port, f"{server.access.account}@127.0.0.1")
    ssh = ("ssh", "-F", "none", *options(server, tmp_path), *where)
    data = pattern(1, 0, SIZE)
    assert programs.check(*ssh, "cat", stdin=data).output == data


def test_a_guest_that_exposes_nothing(
    start_pair: StartPair, programs: Programs, server: Server, tmp_path: Path
) -> None:
    port = forwarded_port(forward(start_pair, server.access.port))
    where = ("-p", port, f"{server.access.account}@127.0.0.1")
    done = programs.run("ssh", "-F", "none", *options(server, tmp_path), *where, "echo in")
    assert done.status == FAILED
    assert done.output == b""
