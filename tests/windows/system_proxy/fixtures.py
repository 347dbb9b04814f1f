"""The settings as they were, and the WinINET that a test takes."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

import pytest

assert sys.platform == "win32"

import winreg

from tests.windows.system_proxy.documented_wininet import DIRECT, DocumentedWinInet
from tests.windows.system_proxy.support import (
    NO_MACHINE_PROXY,
    OWN_KEY,
    saved_values,
    set_registry_value,
)
from vsocks.address import Target
from vsocks.cli import setup_lines
from vsocks.windows import winhttp, wininet
from vsocks.windows.wininet import UserSettings


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings and what is saved, as they were; a test begins with no proxy."""
    if not ctypes.windll.shell32.IsUserAnAdmin():
        pytest.skip("only an administrator may change WinHTTP's settings")
    # Wine's WinHTTP, and Python, have a proxy from here when the registry has none.
    for name in setup_lines.variables(Target("", 0)):
        monkeypatch.delenv(name, raising=False)
    roots = (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE)
    user, machine = wininet.query(), winhttp.query()
    saved = saved_values()
    wininet.change(UserSettings(DIRECT, None, None, None))
    winhttp.change(NO_MACHINE_PROXY)
    for root in roots:
        set_registry_value(root, OWN_KEY, "SystemProxy", None)
    yield
    monkeypatch.undo()
    wininet.change(user)
    winhttp.change(machine)
    for root, value in zip(roots, saved, strict=True):
        set_registry_value(root, OWN_KEY, "SystemProxy", value)


@pytest.fixture
def documented(monkeypatch: pytest.MonkeyPatch) -> DocumentedWinInet:
    """WinINET as Windows documents it, in place of the system's."""
    stand_in = DocumentedWinInet()
    monkeypatch.setattr(wininet, "_wininet", stand_in)
    return stand_in


@pytest.fixture(params=["the system's own", "as documented"])
def either_wininet(request: pytest.FixtureRequest) -> str:
    """Of both kinds; which one it is."""
    kind = str(request.param)
    if kind == "as documented":
        request.getfixturevalue("documented")
    return kind
