"""What the tests of the system proxy share: the settings as they are, and keys that refuse."""

from __future__ import annotations

import ctypes
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

assert sys.platform == "win32"

import winreg
from ctypes import wintypes

from vsocks.cli import windows_main
from vsocks.windows import winhttp, wininet
from vsocks.windows.winhttp import MachineSettings
from vsocks.windows.wininet import PROXY_TYPE_DIRECT, PROXY_TYPE_PROXY, UserSettings

INTERNET_SETTINGS = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"
OWN_KEY = r"SOFTWARE\vsocks"
IN_WINE = hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")

BYPASS = "localhost;127.*"
NO_MACHINE_PROXY = MachineSettings(1, None, None)
FOREIGN_USER = UserSettings(
    PROXY_TYPE_DIRECT | PROXY_TYPE_PROXY, "corp.test:8080", "*.corp.test;<local>", None
)
FOREIGN_MACHINE = MachineSettings(3, "corp.test:3128", "*.corp.test")

_DACL_SECURITY_INFORMATION = 4
_READ_ONLY = "D:P(A;;KR;;;WD)"

_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)


def system_proxy(line: str) -> int:
    """`vsocks-guest system-proxy …`; returns the status."""
    return windows_main.main(["system-proxy", *line.split()])


def everything() -> tuple[UserSettings, MachineSettings]:
    return wininet.query(), winhttp.query()


def saved_values() -> list[str | None]:
    """What is kept of the user's settings, and of the machine's."""
    kept = []
    for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
        (value,) = registry_values(root, OWN_KEY, "SystemProxy")
        assert value is None or isinstance(value, str)
        kept.append(value)
    return kept


def registry_values(root: int, key: str, *names: str) -> list[object]:
    """What the registry has; None for what it hasn't."""
    values: list[object] = []
    for name in names:
        try:
            with winreg.OpenKey(root, key) as opened:
                values.append(winreg.QueryValueEx(opened, name)[0])
        except FileNotFoundError:
            values.append(None)
    return values


def set_registry_value(root: int, key: str, name: str, value: int | str | None) -> None:
    """Put it there, or have it removed if it is None."""
    with winreg.CreateKey(root, key) as opened:
        if value is None:
            with suppress(FileNotFoundError):
                winreg.DeleteValue(opened, name)
        else:
            kind = winreg.REG_DWORD if isinstance(value, int) else winreg.REG_SZ
            winreg.SetValueEx(opened, name, 0, kind, value)


@contextmanager
def read_only(root: int, key: str) -> Iterator[None]:
    """Nobody may write to the key, not even an administrator."""
    with winreg.CreateKey(root, key) as opened:
        before = _security(opened)
        _set_access(opened, _READ_ONLY)
        try:
            yield
        finally:
            _apply(opened, before)


def _security(key: winreg.HKEYType) -> ctypes.Array[ctypes.c_char]:
    size = wintypes.DWORD(0)
    what = wintypes.DWORD(_DACL_SECURITY_INFORMATION)
    handle = wintypes.HANDLE(key.handle)
    _advapi32.RegGetKeySecurity(handle, what, None, ctypes.byref(size))
    descriptor = ctypes.create_string_buffer(size.value)
    failed = _advapi32.RegGetKeySecurity(handle, what, descriptor, ctypes.byref(size))
    assert not failed, ctypes.FormatError(failed)
    return descriptor


def _set_access(key: winreg.HKEYType, access: str) -> None:
    descriptor = ctypes.c_void_p()
    made = _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        access, wintypes.DWORD(1), ctypes.byref(descriptor), None
    )
    assert made, ctypes.WinError(ctypes.get_last_error())
    _apply(key, descriptor)


def _apply(key: winreg.HKEYType, descriptor: ctypes.c_void_p | ctypes.Array[ctypes.c_char]) -> None:
    what = wintypes.DWORD(_DACL_SECURITY_INFORMATION)
    failed = _advapi32.RegSetKeySecurity(wintypes.HANDLE(key.handle), what, descriptor)
    assert not failed, ctypes.FormatError(failed)


@contextmanager
def http_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy for one client, and the first line of its request. All that it gets is a 299."""
    lines: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def serve() -> None:
            client, _ = server.accept()
            with client, client.makefile("rb") as reader:
                head = list(iter(reader.readline, b"\r\n"))
                lines.append(head[0].decode().strip())
                client.sendall(b"HTTP/1.1 299 Proxied\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            host, port = server.getsockname()
            yield f"{host}:{port}", lines
        finally:
            thread.join()


def fetch(by: str, url: str) -> str:
    """The status that another program gets, by `wininet` or `winhttp`."""
    script = str(Path(__file__).with_name("fetch.py"))
    return subprocess.run(
        [sys.executable, script, by, url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()
