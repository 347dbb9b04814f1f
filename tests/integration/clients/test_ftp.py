"""FTP in active mode: the server connects to the client, which the proxy must let in (BIND)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.ftp_server import PASSWORD, USER, FtpServer, ftp_server
from tests.integration.clients.support.socksify import Socksify
from tests.integration.conftest import StartPair
from tests.integration.support.pair import ALLOW_LOOPBACK
from tests.integration.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003


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
