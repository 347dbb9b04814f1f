"""PuTTY's programs reach an SSH server with the proxy in their saved session, as on Windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.proof import came_through
from tests.integration.conftest import StartPair
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.integration.windows_vm.sshd import Server, sshd
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003
SOCKS4, SOCKS5, HTTP = 1, 2, 3
"""The numbers of PuTTY's Connection/Proxy panel."""
METHODS = [
    pytest.param(SOCKS4, id="socks4"),
    pytest.param(SOCKS5, id="socks5"),
    pytest.param(HTTP, id="http"),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    needs("plink")
    with sshd(tmp_path) as server:
        yield server


def save_session(
    programs: Programs, server: Server, pair: Pair, method: int, user: str = "", password: str = ""
) -> None:
    """The session `target`: that server, by that proxy, although it is local."""
    access = server.access
    address, port = pair.proxy
    key = programs.directory / "key.ppk"
    programs.check("puttygen", access.key, "-o", key, "-O", "private")
    settings = {
        "Protocol": "ssh",
        "HostName": "localhost",
        "PortNumber": access.port,
        "UserName": access.account,
        "PublicKeyFile": key,
        "ProxyMethod": method,
        "ProxyHost": address,
        "ProxyPort": port,
        "ProxyUsername": user,
        "ProxyPassword": password,
        "ProxyLocalhost": 1,
    }
    file = programs.home / ".putty" / "sessions" / "target"
    file.parent.mkdir(parents=True)
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def host_key(programs: Programs, server: Server) -> str:
    """The server's key as PuTTY wants to be told it."""
    said = programs.check("ssh-keygen", "-lf", server.folder / "host_key.pub")
    return said.text.split()[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_command_and_a_file(
    pair: Pair, programs: Programs, server: Server, tmp_path: Path, method: int
) -> None:
    save_session(programs, server, pair, method)
    options = ("-batch", "-hostkey", host_key(programs, server))
    said = programs.check("plink", *options, "target", "echo from; echo afar")
    assert said.text == "from\nafar\n"
    data = pattern(1, 0, SIZE)
    (tmp_path / "file").write_bytes(data)
    programs.check("pscp", "-q", *options, tmp_path / "file", f"target:{tmp_path}/there")
    assert (tmp_path / "there").read_bytes() == data
    assert came_through(pair, server.access.port)


@pytest.mark.parametrize("method", [SOCKS5, HTTP], ids=["socks5", "http"])
def test_a_password(start_pair: StartPair, programs: Programs, server: Server, method: int) -> None:
    guarded = start_pair(
        guest_options=("--user", "alice:sesame"), host_options=(*ALLOW_LOOPBACK, "-v")
    )
    save_session(programs, server, guarded, method, "alice", "sesame")
    options = ("-batch", "-hostkey", host_key(programs, server))
    assert programs.check("plink", *options, "target", "echo in").text == "in\n"
    assert came_through(guarded, server.access.port)
