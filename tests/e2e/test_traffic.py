"""The main job: programs in a guest without a network reach targets through the port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from harness.agent_lab import AgentLab
from harness.measure import echo_round_trips
from harness.targets import EchoServer, FileServer, payload, serving, sha256
from tests.e2e.conftest import LABS
from tests.e2e.rig import SOCKS_PORT, SOON, Rig

pytestmark = [
    pytest.mark.e2e,
    # Also in a machine that truly has no network card, in which the test's own commands come by a
    # second port.
    pytest.mark.parametrize(
        "vm_lab", [*LABS, AgentLab()], indirect=True, ids=lambda lab: lab.kind, scope="session"
    ),
]

DATA = payload(3_000_001)
PROXY = f"127.0.0.1:{SOCKS_PORT}"


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    with serving(FileServer(DATA)) as server:
        yield server


def curl(rig: Rig, *options: str) -> str:
    """A command line for the guest's shell."""
    return rig.guest.command_line("curl", *options)


def test_without_the_proxy_there_is_no_way_out(shared_rig: Rig, server: FileServer) -> None:
    assert not shared_rig.guest.has_way_out()
    # 10.0.2.2 is the address under which QEMU's user network would show the host's loopback.
    for address in ("127.0.0.1", "10.0.2.2"):
        url = f"http://{address}:{server.port}/file"
        shared_rig.guest.fail(curl(shared_rig, "-sS", "--max-time", "3", url))


@pytest.mark.parametrize(
    ("option", "host"),
    [("--socks5", "127.0.0.1"), ("--socks5-hostname", "localhost")],
    ids=["IPv4", "host name"],
)
def test_a_download_arrives_whole(
    shared_rig: Rig, server: FileServer, option: str, host: str
) -> None:
    file, url = f"{shared_rig.guest.scratch}/download", f"http://{host}:{server.port}/"
    shared_rig.guest.succeed(curl(shared_rig, "-fsS", option, PROXY, "-o", file, url))
    assert shared_rig.guest.sha256(file) == sha256(DATA)


def test_an_upload_arrives_whole(shared_rig: Rig, server: FileServer) -> None:
    guest = shared_rig.guest
    guest.upload({"upload": DATA}, guest.scratch)
    file = f"{guest.scratch}/upload"
    command = curl(shared_rig, "-fsS", "--socks5", PROXY, "--upload-file", file, server.url)
    assert guest.succeed(command) == sha256(DATA)


def test_sixteen_downloads_at_once_arrive_whole(shared_rig: Rig, server: FileServer) -> None:
    guest = shared_rig.guest
    files = [f"{guest.scratch}/d{number}" for number in range(16)]
    each = [word for file in files for word in ("-o", file, server.url)]
    parallel = ("--parallel", "--parallel-immediate", "--parallel-max", "16")
    guest.succeed(curl(shared_rig, "-fsS", *parallel, "--socks5", PROXY, *each), timeout=120)
    assert [guest.sha256(file) for file in files] == [sha256(DATA)] * 16


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
    for reply, address in ((5, f"127.0.0.1:{closed_port}"), (2, "169.254.169.254")):
        command = curl(shared_rig, "-sS", "--socks5", PROXY, f"http://{address}/")
        assert f"({reply})" in shared_rig.guest.fail(command).stderr


def test_an_echo_comes_back(shared_rig: Rig, vm_note: Callable[[str], None]) -> None:
    with serving(EchoServer()) as echo:
        trips = echo_round_trips(shared_rig.guest, SOCKS_PORT, echo.port, 200)
    vm_note(f"echo of 64 B: {trips}")
