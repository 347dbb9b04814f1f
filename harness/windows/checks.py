"""What only a true Windows can show; `make windows-check` runs it against one."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable
from functools import partial

from ..guest import GuestProcess
from ..lab import Running
from .checklist import Check
from .guest import PYTHON, WindowsGuest
from .msi_checks import MSI_CHECKS
from .service_checks import SERVICE_CHECKS, silenced_port

ODD = ("two words", 'quo"te', "back\\", "%PATH%", "a&b|c<d>e^f", "(x)", "!y!", "", "ä€", "100%")
"""Arguments that a shell may well spoil."""
PORT = r"\\.\Global\org.vsocks.0"
SECONDS = 60


def guest_of(machine: Running) -> WindowsGuest:
    """The guest, known to be a Windows."""
    assert isinstance(machine.guest, WindowsGuest)
    return machine.guest


def version(machine: Running) -> str:
    """A command, its output and its status."""
    guest = guest_of(machine)
    assert guest.run("exit 3").status == 3, "the exit status does not come through"
    return guest.succeed("ver").strip()


def arguments(machine: Running) -> str:
    """Every argument arrives as it was."""
    guest = guest_of(machine)
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    printed = guest.succeed(guest.command_line(PYTHON, "-c", show, *ODD))
    assert json.loads(printed) == list(ODD), printed
    return f"{len(ODD)} odd arguments"


def upload(machine: Running) -> str:
    """A file arrives whole by SFTP."""
    guest = guest_of(machine)
    data = os.urandom(3_000_001)
    guest.upload({"sub/data": data}, guest.scratch)
    found = guest.sha256(rf"{guest.scratch}\sub\data")
    assert found == hashlib.sha256(data).hexdigest(), found
    return f"{len(data)} bytes"


def background(machine: Running) -> str:
    """A program outlives the connection it was started over; it is followed, stopped and killed."""
    guest = guest_of(machine)
    loop = "import time; [print(i, flush=True) or time.sleep(.2) for i in range(1000)]"
    process = guest.start("counter", guest.command_line(PYTHON, "-c", loop))
    process.log.wait(r"^3$", timeout=SECONDS)
    guest.reconnect()
    assert process.is_running(), "it ended with the connection"
    process.follow()
    process.log.wait(r"^20$", timeout=SECONDS)
    process.kill("STOP")
    stopped = process.full_log()
    time.sleep(1)
    assert process.full_log() == stopped, "STOP does not stop it"
    process.kill("CONT")
    process.log.wait(rf"^{len(stopped.split()) + 5}$", timeout=SECONDS)
    process.kill()
    wait_until(lambda: not process.is_running(), "KILL does not end it")
    return f"process {process.pid}"


def port(machine: Running) -> str:
    """The driver's port opens, carries bytes both ways, and QEMU tells that it is open."""
    guest, vm = guest_of(machine), machine.vm
    echo = (
        "import sys, _winapi as w; access = w.GENERIC_READ | w.GENERIC_WRITE; "
        "p = w.CreateFile(sys.argv[1], access, 0, 0, w.OPEN_EXISTING, 0, 0); "
        "print('open', flush=True); d, _ = w.ReadFile(p, 4); w.WriteFile(p, d.upper()); "
        "print('echoed', flush=True)"
    )
    with socket.socket(socket.AF_UNIX) as host:
        host.settimeout(SECONDS)
        host.connect(str(vm.socket()))
        process = guest.start("echo", guest.command_line(PYTHON, "-c", echo, PORT))
        process.log.wait("^open", timeout=SECONDS, failing=("Error",))
        wait_until(vm.port_is_open, "QEMU does not see the port opened")
        host.sendall(b"ping")
        assert host.recv(4) == b"PING"
    process.log.wait("^echoed", timeout=SECONDS)
    return PORT


def daemon(machine: Running) -> str:
    """The program starts, has the port, and listens."""
    guest = guest_of(machine)
    process = guest.start_daemon("-v", "--listen", "127.0.0.1:1080")
    process.log.wait("listening on", timeout=SECONDS, failing=("Error", "error"))
    guest.wait_for_open_port(1080, timeout=SECONDS)
    end(process)
    return "listening on 127.0.0.1:1080"


def service(machine: Running) -> str:
    """The program as a service: installed, started, stopped, removed."""
    guest = guest_of(machine)
    seen = []
    for action, state in (
        ("install", "STOPPED"),
        ("start", "RUNNING"),
        ("stop", "STOPPED"),
        ("uninstall", ""),
    ):
        done = guest.service(action)
        assert done.status == 0, done
        wait_until(partial(has_state, guest, state), f"not {state!r}: {done}")
        seen.append(state or "gone")
    return ", ".join(seen)


def system_proxy(machine: Running) -> str:
    """Windows' own settings, as a proxy and as a PAC file, and back to what was there."""
    guest = guest_of(machine)
    before = guest.succeed("netsh winhttp show proxy")
    for options in ((), ("--pac",)):
        for action, status in (("on", 0), ("status", 0), ("off", 0), ("status", 1)):
            done = guest.system_proxy(action, *(options if action == "on" else ()))
            assert done.status == status, done
    assert guest.succeed("netsh winhttp show proxy") == before
    return "on, off, and as before"


def has_state(guest: WindowsGuest, state: str) -> bool:
    """Whether the service is in this state; empty if it must not exist."""
    return guest.service_state() == state


def no_way_out(machine: Running) -> str:
    """The management NIC leads nowhere."""
    assert not guest_of(machine).has_way_out(), guest_of(machine).run("route print -4")
    return "no default route"


def snapshot(machine: Running) -> str:
    """Back to a snapshot, with a connection made anew."""
    guest, vm = guest_of(machine), machine.vm
    vm.save_snapshot("check")
    guest.upload({"after": b"1"}, guest.scratch)
    vm.load_snapshot("check")
    guest.reconnect()
    guest.fail(rf"dir {guest.scratch}\after")
    return "the file written after it is gone"


def reset(machine: Running) -> str:
    """The reset button: it boots again, and an upload is still there."""
    guest, vm = guest_of(machine), machine.vm
    guest.upload({"kept": b"1"}, guest.scratch)
    began, mark = time.monotonic(), vm.console.mark()
    vm.reset()
    vm.wait_until_booted(600, after=mark)
    seconds = time.monotonic() - began
    guest.reconnect()
    guest.succeed(rf"dir {guest.scratch}\kept")
    return f"booted again in {seconds:.0f} s"


def logs(machine: Running) -> str:
    """The guest's logs and Windows' own notes of errors can be collected."""
    text = guest_of(machine).daemon_logs()
    return f"{len(text)} characters"


CHECKS: list[Check[Running]] = [
    Check("the host is killed during an upload, and the port goes on", silenced_port),
    Check("SSH: a command, its output, its status", version),
    Check("SSH: odd arguments through sshd, cmd and the program", arguments),
    Check("SFTP: an upload to a /C:/ path, checked by certutil", upload),
    Check("a background program outlives its session (job breakaway)", background),
    Check("the vioserial driver's port, both ways", port),
    Check("no way out by the management NIC", no_way_out),
    Check("vsocks-guest.exe listens", daemon),
    Check("vsocks-guest.exe as a service", service),
    *SERVICE_CHECKS,
    *MSI_CHECKS,
    Check("system-proxy on and off (WinINET, WinHTTP, PAC)", system_proxy),
    Check("a snapshot saved and loaded (hv_* flags, AHCI, e1000e)", snapshot),
    Check("reset: no repair screen, the port and sshd again", reset),
    Check("collecting logs", logs),
]


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait for a state of the guest that sends no event."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.5)


def end(process: GuestProcess) -> None:
    """Kill it and wait until it is gone."""
    process.kill()
    wait_until(lambda: not process.is_running(), f"{process.name} does not end")
