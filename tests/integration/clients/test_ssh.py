"""OpenSSH gets to a server through the proxy by netcat, a known helper for ProxyCommand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients.support.command import Programs, needs
from tests.integration.support.pair import Pair
from tests.integration.windows_vm.sshd import Server, sshd
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003
PROTOCOLS = [
    pytest.param("5", id="socks5"),
    pytest.param("4", id="socks4"),
    pytest.param("connect", id="http-connect"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    needs("nc")
    with sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def settings(server: Server, pair: Pair, protocol: str, folder: Path) -> Path:
    """A client's configuration in which `target` is that server, behind the proxy."""
    access = server.access
    known = folder / "known_hosts"
    known.write_text(f"target ssh-ed25519 {access.host_key}\n")
    file = folder / "ssh_config"
    file.write_text(
        f"""
        Host target
            HostName 127.0.0.1
            HostKeyAlias target
            Port {access.port}
            User {access.account}
            IdentityFile {access.key}
            IdentitiesOnly yes
            UserKnownHostsFile {known}
            BatchMode yes
            ProxyCommand nc -X {protocol} -x {pair.proxy_text} %h %p
        """
    )
    return file


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_command_and_a_file(
    pair: Pair, programs: Programs, server: Server, tmp_path: Path, protocol: str
) -> None:
    config = settings(server, pair, protocol, tmp_path)
    said = programs.check("ssh", "-F", config, "target", "echo from; echo afar")
    assert said.text == "from\nafar\n"

    there, back = tmp_path / "there", tmp_path / "back"
    data = pattern(1, 0, SIZE)
    (tmp_path / "file").write_bytes(data)
    programs.check("scp", "-F", config, tmp_path / "file", f"target:{there}")
    programs.check("scp", "-F", config, f"target:{there}", back)
    assert back.read_bytes() == data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_much_data_both_ways_at_once(
    pair: Pair, programs: Programs, server: Server, tmp_path: Path, protocol: str
) -> None:
    data = pattern(2, 0, SIZE)
    config = settings(server, pair, protocol, tmp_path)
    assert programs.check("ssh", "-F", config, "target", "cat", stdin=data).output == data
