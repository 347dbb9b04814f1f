"""The main job: programs in a guest without a network reach targets through the port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.measure import echo_round_trips
from harness.targets import EchoServer, FileServer, payload, serving, sha256
from tests.e2e.rig import SOCKS_PORT, SOON, Rig

pytestmark = pytest.mark.e2e

DATA = payload(3_000_001)
PROXY = f"127.0.0.1:{SOCKS_PORT}"


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    with serving(FileServer(DATA)) as server:
        yield server


def test_without_the_proxy_there_is_no_way_out(shared_rig: Rig, server: FileServer) -> None:
    routes = shared_rig.guest.succeed("ip route")
    assert "default" not in routes
    # 10.0.2.2 is the address under which QEMU's user network would show the host's loopback.
    for address in ("127.0.0.1", "10.0.2.2"):
        direct = f"curl -sS --max-time 3 -o /dev/null http://{address}:{server.port}/file"
        shared_rig.guest.fail(direct)


@pytest.mark.parametrize(
    "options",
    [
        "--socks5 {proxy} http://127.0.0.1:{port}/",
        "--socks5-hostname {proxy} http://localhost:{port}/",
    ],
    ids=["IPv4", "host name"],
)
def test_a_download_arrives_whole(shared_rig: Rig, server: FileServer, options: str) -> None:
    arguments = options.format(proxy=PROXY, port=server.port)
    printed = shared_rig.guest.succeed(f"set -o pipefail; curl -fsS {arguments} | sha256sum")
    assert printed.split()[0] == sha256(DATA)


def test_an_upload_arrives_whole(shared_rig: Rig, server: FileServer) -> None:
    shared_rig.guest.upload({"upload": DATA}, "/tmp")
    curl = f"curl -fsS --socks5 {PROXY} --upload-file /tmp/upload {server.url}"
    assert shared_rig.guest.succeed(curl) == sha256(DATA)


def test_sixteen_downloads_at_once_arrive_whole(shared_rig: Rig, server: FileServer) -> None:
    each = " ".join(f"-o /tmp/d{number} {server.url}" for number in range(16))
    curl = f"curl -fsS --parallel --parallel-immediate --parallel-max 16 --socks5 {PROXY} {each}"
    shared_rig.guest.succeed(curl, timeout=120)
    sums = shared_rig.guest.succeed("sha256sum /tmp/d*; rm /tmp/d*", timeout=120)
    assert [line.split()[0] for line in sums.splitlines()] == [sha256(DATA)] * 16


def test_both_directions_at_once_and_the_end_of_one_before_the_other(shared_rig: Rig) -> None:
    for mode in ("BOTH", "UP"):
        client = shared_rig.client(mode, connections=8, length=1_000_003)
        for ended in client.wait("ended", 8, timeout=120):
            assert (ended["how"], ended["wrong"]) == ("eof", ""), ended
            assert ended["sent"] == 1_000_003
            assert ended["received"] == (1_000_003 if mode == "BOTH" else 0)
    shared_rig.target.wait_all_ended(SOON)
    shared_rig.check_no_wrong_byte()


def test_the_reply_says_why_a_connection_was_not_made(shared_rig: Rig) -> None:
    with serving(FileServer(b"")) as gone:
        closed_port = gone.port
    refused = shared_rig.guest.fail(f"curl -sS --socks5 {PROXY} http://127.0.0.1:{closed_port}/")
    assert "(5)" in refused.stderr
    denied = shared_rig.guest.fail(f"curl -sS --socks5 {PROXY} http://169.254.169.254/")
    assert "(2)" in denied.stderr


def test_an_echo_comes_back(shared_rig: Rig, note: Callable[[str], None]) -> None:
    with serving(EchoServer()) as echo:
        trips = echo_round_trips(shared_rig.guest, SOCKS_PORT, echo.port, 200)
    note(f"echo of 64 B: {trips}")
