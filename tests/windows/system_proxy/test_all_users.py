"""The proxy of all users, and what is left when the service is uninstalled.

That WinINET and the 32-bit WinHTTP of Windows follow these values, only a true Windows shows:
Wine's look at none of them.
"""

from __future__ import annotations

import io
import os
import sys

import pytest

assert sys.platform == "win32"

import winreg

from tests.windows.system_proxy.support import (
    BYPASS,
    INTERNET_SETTINGS,
    OWN_KEY,
    everything,
    read_only,
    set_registry_value,
    system_proxy,
)
from vsocks.windows import all_users, protected, proxy_commands, winhttp, wininet
from vsocks.windows.all_users import AllUsersSettings

BOTH_VIEWS = (winreg.KEY_WOW64_64KEY, winreg.KEY_WOW64_32KEY)


@pytest.fixture(autouse=True)
def all_users_as_before() -> object:
    before = all_users.query()
    yield
    all_users.change(before)
    set_registry_value(winreg.HKEY_LOCAL_MACHINE, OWN_KEY, "SystemProxyAllUsers", None)


def value(name: str, view: int, key: str = INTERNET_SETTINGS) -> object:
    access = winreg.KEY_READ | view
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, access) as opened:
        return winreg.QueryValueEx(opened, name)[0]


def test_all_users_have_it_and_get_back_what_they_had(capsys: pytest.CaptureFixture[str]) -> None:
    before, of_one = all_users.query(), everything()
    assert system_proxy("on --all-users --listen 127.0.0.1:3128") == 0
    policy = r"SOFTWARE\Policies\Microsoft\Windows\CurrentVersion\Internet Settings"
    assert value("ProxySettingsPerUser", 0, policy) == 0
    connections = rf"{INTERNET_SETTINGS}\Connections"
    for view in BOTH_VIEWS:
        assert value("ProxyEnable", view) == 1
        assert value("ProxyServer", view) == "127.0.0.1:3128"
        assert value("ProxyOverride", view) == BYPASS
        blob = value("DefaultConnectionSettings", view, connections)
        assert blob == value("SavedLegacySettings", view, connections)
        assert isinstance(blob, bytes)
        assert blob[:4] == b"\x46\0\0\0"
        texts = (b"127.0.0.1:3128", BYPASS.encode(), b"")
        lengths = [len(text).to_bytes(4, "little") for text in texts]
        said = b"".join(length + text for length, text in zip(lengths, texts, strict=True))
        assert blob[8:] == b"\x03\x00\x00\x00" + said + bytes(32)
        winhttp_value = value("WinHttpSettings", view, connections)
        assert b"127.0.0.1:3128" in bytes(winhttp_value)  # type: ignore[call-overload]
    assert wininet.query() == of_one[0]
    assert "WinINET (for all users): the proxy 127.0.0.1:3128 but for" in capsys.readouterr().out
    assert system_proxy("status --all-users") == 0
    assert system_proxy("on --all-users --listen 127.0.0.1:3129") == 0
    blob = value("WinHttpSettings", winreg.KEY_WOW64_32KEY, connections)
    assert b"127.0.0.1:3129" in bytes(blob)  # type: ignore[call-overload]
    # Who doesn't ask for it turns it off, too.
    assert system_proxy("off") == 0
    assert all_users.query() == before
    assert everything() == of_one


def test_a_pac_file_for_all_users(capsys: pytest.CaptureFixture[str]) -> None:
    assert system_proxy("on --all-users --pac") == 0
    assert (
        "all users): the PAC file http://127.0.0.1:1080/proxy.pac; set" in capsys.readouterr().out
    )
    assert value("AutoConfigURL", BOTH_VIEWS[0]) == "http://127.0.0.1:1080/proxy.pac"
    assert system_proxy("off --all-users") == 0


def test_what_is_said_of_settings() -> None:
    values: list[list[all_users.Value]] = [[0, None, None, None, None, None]] * 2
    assert str(AllUsersSettings(0, values, None)) == "no proxy"
    assert str(AllUsersSettings(None, values, None)) == "each user has settings of his own"


def test_system_sets_the_proxy_of_all_users(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can be SYSTEM here, so it is told by the test."""
    monkeypatch.setattr(protected, "own_user", lambda: "S-1-5-18")
    of_user = wininet.query()
    assert system_proxy("on") == 0
    assert all_users.query().per_user == 0
    assert wininet.query() == of_user
    assert system_proxy("off") == 0
    capsys.readouterr()
    assert system_proxy("on --user-only") == 0
    assert "the settings of SYSTEM itself" in capsys.readouterr().out


def test_an_uninstall_takes_back_what_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    before = everything()
    system_proxy("on")
    set_registry_value(winreg.HKEY_USERS, rf".DEFAULT\{OWN_KEY}", "SystemProxy", "{}")
    capsys.readouterr()
    try:
        with read_only(winreg.HKEY_LOCAL_MACHINE, OWN_KEY):
            proxy_commands.turn_off_ours()
    finally:
        set_registry_value(winreg.HKEY_USERS, rf".DEFAULT\{OWN_KEY}", "SystemProxy", None)
    told = capsys.readouterr().out
    assert "WinHTTP (for the machine): " in told
    assert "WinINET (for " in told
    assert "user with the sid .default is still ours" in told.lower()
    assert wininet.query() == before[0]
    proxy_commands.turn_off_ours()
    assert winhttp.query() == before[1]


def test_a_name_that_the_console_can_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """It made an error after the settings were changed."""
    monkeypatch.setattr(os, "getlogin", lambda: "Ωmega")
    console = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", console)
    assert system_proxy("on") == 0
    console.flush()
    assert rb"WinINET (for \u03a9mega)" in console.buffer.getvalue()
