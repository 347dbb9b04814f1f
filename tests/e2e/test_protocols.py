"""Every protocol that the guest's one port speaks, through the virtio-serial port."""

from __future__ import annotations

import json
import socket
import socketserver
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from harness.lab import Lab
from harness.targets import FileServer, payload, serving, sha256
from harness.testing.desk import Desk
from tests.e2e.conftest import rig_of
from tests.e2e.rig import SOCKS_PORT, SOON, Client, Rig
from tests.integration.support.dnsmasq import dnsmasq

pytestmark = pytest.mark.e2e

DATA = payload(1_500_001, seed=4)
PROXY = f"127.0.0.1:{SOCKS_PORT}"
DNS_PORT = 1053
USER = "alice:secret"
DATAGRAMS = 300


@pytest.fixture(scope="module")
def server() -> Iterator[FileServer]:
    with serving(FileServer(DATA)) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(
    vm_lab: Lab,
    vm_desk: Desk,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rig]:
    """Daemons that do all that they can but ask who it is."""
    with ExitStack() as stack:
        nameserver = stack.enter_context(dnsmasq(tmp_path_factory.mktemp("dnsmasq")))
        rig = stack.enter_context(rig_of(vm_lab, vm_desk, "proxy"))
        rig.start_both(
            ("--dns", f"127.0.0.1:{DNS_PORT}"),
            ("--allow-bind", "127.0.0.1", "--dns-server", str(nameserver)),
        )
        yield rig


class EchoDatagrams(socketserver.ThreadingUDPServer):
    """Sends back each datagram."""

    class _Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            sock.sendto(data, self.client_address)

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self._Handler)
        self.port = int(self.server_address[1])


class EchoUpgrade(socketserver.ThreadingTCPServer):
    """An HTTP server that goes over to sending back what comes."""

    class _Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            lines = ("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: echo")
            self.wfile.write("\r\n".join([*lines, "", ""]).encode())
            while data := self.connection.recv(65536):
                self.connection.sendall(data)

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self._Handler)
        self.port = int(self.server_address[1])


def ask(rig: Rig, mode: str, *arguments: str, port: int = SOCKS_PORT) -> dict[str, Any]:
    """What the client in the guest tells, in the end."""
    module = "tests.e2e.protocol_client"
    command = rig.guest.module_command(rig.scripts, module, str(port), mode, *arguments)
    lines = rig.guest.succeed(command, timeout=120).strip().splitlines()
    told: dict[str, Any] = json.loads(lines[-1])
    return told


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--socks4", PROXY), id="SOCKS4"),
        pytest.param(("--socks4a", PROXY), id="SOCKS4a"),
        pytest.param(("--socks5-hostname", PROXY), id="SOCKS5"),
        pytest.param(("--proxy", f"http://{PROXY}"), id="HTTP"),
        pytest.param(("--proxy", f"http://{PROXY}", "--proxytunnel"), id="HTTP CONNECT"),
    ],
)
def test_a_file_comes_and_goes_whole(
    proxy: Rig, server: FileServer, options: tuple[str, ...]
) -> None:
    guest = proxy.guest
    host = "127.0.0.1" if "--socks4" in options else "localhost"
    url, file = f"http://{host}:{server.port}/file", f"{guest.scratch}/file"
    # Twice by one client: HTTP keeps its connection.
    twice = ("-o", file, url, "-o", f"{file}-2", url)
    guest.succeed(guest.command_line("curl", "-fsS", *options, *twice))
    assert [guest.sha256(name) for name in (file, f"{file}-2")] == [sha256(DATA)] * 2
    upload = guest.command_line("curl", "-fsS", *options, "--upload-file", file, url)
    assert guest.succeed(upload) == sha256(DATA)


def test_datagrams_come_back(proxy: Rig) -> None:
    with serving(EchoDatagrams()) as echo:
        told = ask(proxy, "datagrams", "127.0.0.1", str(echo.port), str(DATAGRAMS))
        ask(proxy, "datagrams", "localhost", str(echo.port), "5")
    assert told["echoed"] == DATAGRAMS
    proxy.note(f"{DATAGRAMS} datagrams echoed of {told['sent']} sent")


def test_somebody_connects_to_the_client(proxy: Rig) -> None:
    module = "tests.e2e.protocol_client"
    arguments = (str(SOCKS_PORT), "bind", "127.0.0.1")
    command = proxy.guest.module_command(proxy.scripts, module, *arguments)
    client = Client(proxy.guest.start("bind", command))
    host, port = json.loads(client.process.log.wait('"listening"', timeout=SOON).text)["listening"]
    with socket.create_connection((host, port), SOON) as caller:
        ours = list(caller.getsockname())
        came = client.process.log.wait('"came"', timeout=SOON, failing=("Traceback",))
        assert json.loads(came.text)["came"] == ours
        caller.sendall(b"active ftp, for instance")
        caller.shutdown(socket.SHUT_WR)
        assert caller.makefile("rb").read() == b"ACTIVE FTP, FOR INSTANCE"


def test_a_name_is_resolved(proxy: Rig) -> None:
    assert ask(proxy, "resolve", "localhost")["address"] in {"127.0.0.1", "::1"}


def test_dns_is_answered_by_the_hosts_nameserver(proxy: Rig) -> None:
    told = ask(proxy, "dns", "www.example.test", port=DNS_PORT)
    assert told == {"udp": "192.0.2.1", "tcp": "192.0.2.1"}


def test_a_request_that_changes_its_protocol(proxy: Rig) -> None:
    with serving(EchoUpgrade()) as echo:
        assert ask(proxy, "upgrade", "127.0.0.1", str(echo.port)) == {"echoed": True}


def test_the_proxys_own_pages(proxy: Rig) -> None:
    curl = proxy.guest.command_line("curl", "-fsS", f"http://{PROXY}/proxy.pac")
    assert f'return "PROXY {PROXY}; SOCKS5 {PROXY}"' in proxy.guest.succeed(curl)
    page = proxy.guest.succeed(proxy.guest.command_line("curl", "-fsS", f"http://{PROXY}/"))
    assert "Session with the host<td>up" in page


def test_an_error_is_a_page_with_a_status(proxy: Rig) -> None:
    with serving(FileServer(b"")) as gone:
        closed = gone.port
    for url, status in (
        (f"http://127.0.0.1:{closed}/", "502"),
        ("http://169.254.169.254/", "403"),
    ):
        options = ("-sS", "--proxy", f"http://{PROXY}", "-w", "\n%{http_code}", url)
        page = proxy.guest.succeed(proxy.guest.command_line("curl", *options))
        assert page.endswith(f"\n{status}"), page
        assert f"<h1>{status} " in page


def test_who_says_no_password_is_refused(rig: Rig, server: FileServer) -> None:
    rig.start_both(guest_options=("--user", USER))
    guest, file = rig.guest, f"{rig.guest.scratch}/file"
    for way in ("http", "socks5h"):
        for credentials, accepted in ((f"{USER}@", True), ("alice:wrong@", False), ("", False)):
            proxy = f"{way}://{credentials}{PROXY}"
            command = guest.command_line("curl", "-fsS", "--proxy", proxy, "-o", file, server.url)
            result = guest.run(command)
            assert (result.status == 0) is accepted, result
            assert not accepted or guest.sha256(file) == sha256(DATA)
    refused = guest.command_line("curl", "-sS", "--socks4", PROXY, server.url)
    assert guest.fail(refused).stdout == ""
