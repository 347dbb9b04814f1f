"""What only a true Windows can show of the daemon, its service, and who may change what is its."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..guest import GuestProcess
from ..lab import Running
from ..process import HostProcess, host_daemon
from ..targets import FileServer, payload, serving
from .checklist import Check
from .guest import PYTHON, SERVICE, SERVICE_LOGS, WindowsGuest
from .quoting import command_line

SECONDS = 60
KILLS = 5
PROXY = "127.0.0.1:1080"
PROGRAM_FILES = r"C:\Program Files\vsocks"
SETTINGS = rf"{SERVICE_LOGS}\guest.toml"
USERS = rf"{SERVICE_LOGS}\users.txt"
BITS = ("System32", "SysWOW64")
STRANGERS = (r"BUILTIN\Users", "Everyone", r"NT AUTHORITY\Authenticated Users")
"""By their English names, which the profiles' Windows has."""

UPLOAD = (
    "import sys, urllib.request as u\n"
    "print('uploading', flush=True)\n"
    "u.install_opener(u.build_opener(u.ProxyHandler({'http': 'http://' + sys.argv[1]})))\n"
    "u.urlopen(u.Request(sys.argv[2], data=bytes(64 << 20), method='PUT'), timeout=300)\n"
)
FETCH = (
    "import sys, urllib.request as u\n"
    "u.install_opener(u.build_opener(u.ProxyHandler({'http': 'http://' + sys.argv[1]})))\n"
    "print(len(u.urlopen(sys.argv[2], timeout=60).read()))\n"
)


def guest_of(machine: Running) -> WindowsGuest:
    """The guest, known to be a Windows."""
    assert isinstance(machine.guest, WindowsGuest)
    return machine.guest


def silenced_port(machine: Running) -> str:
    """The host's daemon is killed while the guest uploads; the port goes on all the same."""
    guest, channel = guest_of(machine), machine.vm.socket()
    content = payload(100_000)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, serving(FileServer(content)) as server:
        daemon = guest.start_daemon("-v", "--listen", PROXY)
        try:
            daemon.log.wait("listening on", timeout=SECONDS, failing=("rror",))
            for number in range(KILLS):
                with _host(channel, Path(folder), number) as host:
                    host.log.wait("session up", timeout=SECONDS)
                    upload = guest.start("upload", _python(guest, UPLOAD, server.url))
                    upload.log.wait("^uploading", timeout=SECONDS)
                    host.log.wait(f":{server.server_port}", timeout=SECONDS)
                    host.kill()
                upload.kill()
            with _host(channel, Path(folder), KILLS) as host:
                host.log.wait("session up", timeout=SECONDS)
                got = guest.succeed(_python(guest, FETCH, server.url), timeout=2 * SECONDS)
            assert got.strip() == str(len(content)), got
        finally:
            _end(daemon)
    return f"{KILLS} kills, then a file, in {time.monotonic() - began:.0f} s"


def _host(channel: Path, folder: Path, number: int) -> HostProcess:
    return host_daemon(
        channel, "-v", "--allow", "127.0.0.0/8", folder=folder, name=f"host-{number}"
    )


def _python(guest: WindowsGuest, program: str, url: str) -> str:
    return guest.command_line(PYTHON, "-c", program.replace("\n", ";").rstrip(";"), PROXY, url)


def settings(machine: Running) -> str:
    """The service's options and users are in files that no ordinary user can read."""
    guest = guest_of(machine)
    with _installed(guest, "--user", "alice:secret"):
        shown = guest.succeed(f"sc qc {SERVICE}")
        assert "--config" in shown, shown
        assert "secret" not in shown, shown
        for path in (SETTINGS, USERS):
            rights = guest.succeed(command_line("icacls", path))
            assert not [name for name in STRANGERS if name in rights], rights
        _good(guest, "start")
        told = _good(guest, "status")
        assert "driver of virtio-serial ports: 1" in told, told
        _good(guest, "reconfigure", "--max-streams", "7")
        assert "of 7" in _good(guest, "status")
        _good(guest, "stop")
    return "guest.toml, users.txt; the driver's version; reconfigure"


def junction(machine: Running) -> str:
    """A junction in the place of the service's folder is moved away, and leads nowhere."""
    guest = guest_of(machine)
    elsewhere = rf"{guest.scratch}\elsewhere"
    guest.run(command_line("cmd", "/c", "rmdir", "/s", "/q", SERVICE_LOGS))
    guest.succeed(f"mkdir {elsewhere}")
    guest.succeed(f"mklink /J {SERVICE_LOGS} {elsewhere}")
    with _installed(guest) as told:
        assert "is a link to somewhere else" in told, told
        assert not guest.succeed(f"dir /b {elsewhere} & exit 0").strip()
    return "made anew"


def upgrade(machine: Running) -> str:
    """The program is replaced while it runs, and nothing of it is marked for the next boot."""
    guest = guest_of(machine)
    with _installed(guest):
        _good(guest, "start")
        assert "is running" in _good(guest, "upgrade")
        pending = guest.run(
            r'reg query "HKLM\SYSTEM\CurrentControlSet\Control\Session Manager" '
            "/v PendingFileRenameOperations"
        ).stdout
        assert rf"{PROGRAM_FILES}\vsocks-guest.exe" not in pending, pending
        _good(guest, "stop")
    assert guest.run(f'dir /b "{PROGRAM_FILES}"').status != 0, "its folder is still there"
    return "replaced, started, removed"


def firewall(machine: Running) -> str:
    """A rule only where others are to get in."""
    guest = guest_of(machine)
    show = f"netsh advfirewall firewall show rule name={SERVICE}"
    with _installed(guest):
        assert guest.run(show).status != 0, "a rule for loopback alone"
        _good(guest, "reconfigure", "--listen", "0.0.0.0:1080")
        assert "1080" in guest.succeed(show)
    assert guest.run(show).status != 0, "the rule is still there"
    return "added and removed"


def all_users(machine: Running) -> str:
    """The proxy of all users: WinHTTP of both word sizes, and off again."""
    guest = guest_of(machine)
    commands = [rf"C:\Windows\{folder}\netsh.exe winhttp show proxy" for folder in BITS]
    before = [guest.succeed(command) for command in commands]
    for action in ("on", "status", "off"):
        done = guest.system_proxy(action, "--all-users")
        assert done.status == 0, done
        if action == "on":
            for command in commands:
                assert PROXY in guest.succeed(command), command
    assert [guest.succeed(command) for command in commands] == before
    return "on, off, and as before"


def _good(guest: WindowsGuest, action: str, *arguments: str) -> str:
    done = guest.service(action, *arguments)
    assert done.status == 0, done
    return done.stdout


@contextmanager
def _installed(guest: WindowsGuest, *options: str) -> Iterator[str]:
    """The service, for a while; yields what the installation said."""
    told = _good(guest, "install", *options)
    try:
        yield told
    finally:
        guest.service("uninstall")


def _end(process: GuestProcess) -> None:
    process.kill()
    _wait_until(lambda: not process.is_running(), f"{process.name} does not end")


def _wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.5)


SERVICE_CHECKS: list[Check[Running]] = [
    Check("the service's settings and users, which nobody else reads", settings),
    Check("a junction in the place of the service's folder", junction),
    Check("an upgrade while the service runs", upgrade),
    Check("a firewall rule beyond loopback only", firewall),
    Check("system-proxy for all users (WinHTTP of 64 and 32 bits)", all_users),
]
