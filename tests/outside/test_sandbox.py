"""What one may want to know of a sandbox: what gets out of it, and what a pause does to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from vsocks_harness.guest import Guest
from vsocks_harness.targets import FileServer, serving
from vsocks_harness.testing.pair import UP, VsocksPair
from vsocks_harness.vm import VM

CONTENT = b"only for those who may\n"


@pytest.fixture(scope="session")
def server() -> Iterator[FileServer]:
    with serving(FileServer(CONTENT)) as server:
        yield server


@pytest.fixture(scope="session")
def vsocks_host_options(server: FileServer) -> Sequence[str]:
    """One server, and nothing else of the host's loopback."""
    return ("--allow", f"127.0.0.1:{server.port}")


def test_one_server_is_reached(
    shared_guest: Guest, shared_vsocks_pair: VsocksPair, server: FileServer
) -> None:
    proxy = shared_vsocks_pair.proxy
    shared_guest.succeed(f"curl -fsS --proxy {proxy} -o /tmp/page {server.url}")
    assert shared_guest.download("/tmp/page") == CONTENT


def test_another_is_not(shared_guest: Guest, shared_vsocks_pair: VsocksPair) -> None:
    with serving(FileServer(CONTENT)) as other:
        command = f"curl -sS --proxy {shared_vsocks_pair.proxy} {other.url}"
        refused = shared_guest.fail(command)
    assert CONTENT.decode() not in refused.stdout


def test_a_host_daemon_that_died_is_followed_by_another(
    vm: VM, guest: Guest, vsocks_pair: VsocksPair, server: FileServer
) -> None:
    [daemon] = vsocks_pair.on_host
    daemon.kill()
    vm.pause()
    vm.resume()
    vsocks_pair.start_host().log.wait(UP, timeout=60)
    page = guest.succeed(f"curl -fsS --proxy {vsocks_pair.proxy} {server.url}")
    assert page == CONTENT.decode()
