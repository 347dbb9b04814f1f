"""What only a true Windows Installer can show of the MSI."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..guest import Result
from ..lab import Running
from ..msi import write_msi
from .checklist import Check
from .guest import SERVICE, SERVICE_LOGS, WindowsGuest
from .quoting import command_line
from .service_checks import PROGRAM_FILES, guest_of

SECONDS = 300
INSTALL_FAILURE = 1603
"""ERROR_INSTALL_FAILURE."""
INSTALLED = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
EVENTS = rf"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\{SERVICE}"
OURS = r"HKLM\SOFTWARE\vsocks"
CANNOT_BE = ("nonsense", "192.0.2.1:1080")
"""Addresses: one that makes no sense, and one that this machine doesn't have."""


def package(machine: Running) -> str:
    """Installed silently, repaired, removed; what can't start leaves nothing."""
    guest = guest_of(machine)
    with tempfile.TemporaryDirectory() as folder:
        content = write_msi(Path(folder)).read_bytes()
    guest.upload({"vsocks-guest.msi": content}, guest.scratch)
    for address in CANNOT_BE:
        failed = _msiexec(guest, "/i", f"LISTEN={address}")
        assert failed.status == INSTALL_FAILURE, failed
        _assert_gone(guest)
    _good(guest, "/i", "LISTEN=127.0.0.1:1081", "OPTIONS=--max-streams 7")
    assert guest.service_state() == "RUNNING"
    settings = guest.succeed(command_line("type", rf"{SERVICE_LOGS}\guest.toml"))
    assert "127.0.0.1:1081" in settings, settings
    entry = guest.succeed(command_line("reg", "query", INSTALLED, "/s", "/f", "vsocks guest"))
    assert "DisplayName" in entry, entry
    library = rf"{PROGRAM_FILES}\_internal\base_library.zip"
    guest.succeed(f"net stop {SERVICE}")
    guest.succeed(command_line("del", library))
    _good(guest, "/fa")
    guest.succeed(command_line("dir", library))
    assert guest.service_state() == "RUNNING"
    _good(guest, "/x")
    _assert_gone(guest)
    return "refused twice, installed, repaired, removed"


def _good(guest: WindowsGuest, action: str, *properties: str) -> None:
    done = _msiexec(guest, action, *properties)
    assert done.status == 0, done


def _msiexec(guest: WindowsGuest, action: str, *properties: str) -> Result:
    """Run it to its end, for which cmd alone would not wait."""
    path = rf"{guest.scratch}\vsocks-guest.msi"
    line = command_line("msiexec", action, path, "/qn", *properties)
    return guest.run(f'start "" /wait {line}', timeout=SECONDS)


def _assert_gone(guest: WindowsGuest) -> None:
    assert not guest.service_state(), guest.service_state()
    for command in (
        command_line("dir", PROGRAM_FILES),
        command_line("reg", "query", EVENTS),
        command_line("reg", "query", OURS),
        command_line("reg", "query", INSTALLED, "/s", "/f", "vsocks guest"),
    ):
        assert guest.run(command).status != 0, f"{command} finds something"


MSI_CHECKS: list[Check[Running]] = [
    Check("the MSI: refused, installed, repaired, removed", package),
]
