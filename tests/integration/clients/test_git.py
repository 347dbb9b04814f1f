"""git clones and pushes over HTTP through the proxy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.git_server import GitServer
from tests.integration.clients.support.proof import came_through
from tests.integration.support.pair import Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003
IDENTITY: Mapping[str, str] = {
    "GIT_AUTHOR_NAME": "A Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "A Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


def commit(programs: Programs, folder: Path, name: str, data: bytes) -> None:
    """Commit a file."""
    (folder / name).write_bytes(data)
    programs.check("git", "add", name, folder=folder, environment=IDENTITY)
    programs.check("git", "commit", "-qm", f"Add {name}", folder=folder, environment=IDENTITY)


@pytest.fixture
def repositories(programs: Programs) -> Path:
    """A folder with one repository, project.git, in which is a file with `pattern(1, …)`."""
    work = programs.directory / "work"
    programs.check("git", "init", "-q", "-b", "main", work)
    commit(programs, work, "file", pattern(1, 0, SIZE))
    folder = programs.directory / "repositories"
    bare = folder / "project.git"
    programs.check("git", "clone", "-q", "--bare", work, bare)
    programs.check("git", "-C", bare, "config", "http.receivepack", "true")
    return folder


@pytest.mark.parametrize("scheme", ["socks5h", "socks5", "socks4a", "http"])
def test_clone_and_push(
    pair: Pair,
    programs: Programs,
    repositories: Path,
    start_web_server: StartWebServer,
    scheme: str,
) -> None:
    server = GitServer(repositories)
    port = start_web_server(server).port
    url = f"http://localhost:{port}/project.git"
    git = ("git", "-c", f"http.proxy={scheme}://{pair.proxy_text}", "-c", "http.postBuffer=65536")

    clone = programs.directory / "clone"
    programs.check(*git, "clone", "-q", url, clone, environment=IDENTITY)
    assert (clone / "file").read_bytes() == pattern(1, 0, SIZE)

    commit(programs, clone, "more", pattern(2, 0, SIZE))
    programs.check(*git, "push", "-q", "origin", "main", folder=clone, environment=IDENTITY)
    bare = repositories / "project.git"
    assert programs.check("git", "-C", bare, "show", "main:more").output == pattern(2, 0, SIZE)
    assert came_through(pair, port)
    assert "chunked" in server.codings, "a push above http.postBuffer has no length"
