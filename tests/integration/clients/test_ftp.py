"""FTP opens a connection of its own for each file, and in active mode it is the server that does.

The proxy must let it in then (BIND).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.ftp_server import PASSWORD, USER, FtpServer, ftp_server
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.socksify import Socksify
from tests.integration.conftest import StartPair
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003
BY_CONNECT = "set ftp:use-hftp no"
"""lftp would send an HTTP proxy `GET ftp://…` and the like, which is for one that speaks FTP."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ftp"
    folder.mkdir()
    return folder


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[FtpServer]:
    with ftp_server(folder, tmp_path) as server:
        yield server


def script(*commands: str) -> bytes:
    """What to type into tnftp."""
    lines = [f"user {USER} {PASSWORD}", "binary", *commands, "bye", ""]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("passive", ["EPSV", "PASV"])
@pytest.mark.parametrize("way", ["socks5h", "socks5", "socks4a", "http"])
def test_curl_in_passive_mode(
    pair: Pair, programs: Programs, server: FtpServer, folder: Path, way: str, passive: str
) -> None:
    (folder / "there").write_bytes(pattern(1, 0, SIZE))
    (programs.directory / "here").write_bytes(pattern(2, 0, SIZE))
    curl = [
        *("curl", "--disable", "--fail", "--silent", "--show-error", "--verbose"),
        *("--user", f"{USER}:{PASSWORD}", "--proxy", f"{way}://{pair.proxy_text}", "--proxytunnel"),
        *([] if passive == "EPSV" else ["--disable-epsv"]),
    ]
    root = f"ftp://127.0.0.1:{server.port}"
    said = programs.check(*curl, "--output", "back", f"{root}/there")
    assert f"> {passive}" in said.errors
    programs.check(*curl, "--upload-file", "here", f"{root}/up")
    assert (programs.directory / "back").read_bytes() == pattern(1, 0, SIZE)
    assert (folder / "up").read_bytes() == pattern(2, 0, SIZE)
    assert came_through(pair, server.port)
    assert server.active_connections() == 0


def test_lftp_in_passive_mode(
    pair: Pair, programs: Programs, server: FtpServer, folder: Path
) -> None:
    (folder / "there").write_bytes(pattern(1, 0, SIZE))
    (programs.directory / "here").write_bytes(pattern(2, 0, SIZE))
    commands = [
        *(f"set ftp:proxy http://{pair.proxy_text}", BY_CONNECT, "set net:max-retries 1"),
        f"open -u {USER},{PASSWORD} ftp://127.0.0.1:{server.port}",
        *("get there -o back", "put here -o up", "ls"),
    ]
    said = programs.check("lftp", "--norc", "-c", " && ".join(commands))
    assert "up" in said.text.split()
    assert (programs.directory / "back").read_bytes() == pattern(1, 0, SIZE)
    assert (folder / "up").read_bytes() == pattern(2, 0, SIZE)
    assert came_through(pair, server.port)
    assert server.active_connections() == 0


@pytest.mark.parametrize("version", [4, 5])
def test_files_both_ways(
    start_pair: StartPair,
    programs: Programs,
    server: FtpServer,
    folder: Path,
    version: Literal[4, 5],
) -> None:
    needs("tnftp")
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--allow-bind", "127.0.0.1"))
    (folder / "there").write_bytes(pattern(1, 0, SIZE))
    (programs.directory / "here").write_bytes(pattern(2, 0, SIZE))

    ftp = ("tnftp", "-A", "-n", "-v", "127.0.0.1", str(server.port))
    commands = script("get there back", "put here up", "ls")
    said = Socksify(programs, pair, version).check(*ftp, stdin=commands)
    assert "up" in said.text.split()
    assert (programs.directory / "back").read_bytes() == pattern(1, 0, SIZE)
    assert (folder / "up").read_bytes() == pattern(2, 0, SIZE)
    assert server.active_connections() == 3, "a passive transfer needs no BIND"


def test_a_host_that_does_not_allow_it(
    start_pair: StartPair, programs: Programs, server: FtpServer, folder: Path
) -> None:
    needs("tnftp")
    (folder / "there").write_bytes(b"data")
    ftp = ("tnftp", "-A", "-n", "-v", "127.0.0.1", str(server.port))
    Socksify(programs, start_pair()).check(*ftp, stdin=script("get there back"))
    assert not (programs.directory / "back").exists()
    assert server.active_connections() == 0
