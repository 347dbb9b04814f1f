"""WinHTTP's newer settings, by a netsh as documented: no Windows that has them was at hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

assert sys.platform == "win32"

import winreg

from tests.windows.system_proxy.support import (
    BYPASS,
    IN_WINE,
    OWN_KEY,
    everything,
    registry_values,
    set_registry_value,
    system_proxy,
)
from vsocks.windows import advanced_proxy, all_users, proxy_commands
from vsocks.windows import netsh as netsh_program
from vsocks.windows.advanced_proxy import AdvancedSettings

CORP = {"Proxy": "corp.test:8080", "ProxyBypass": "*.corp test", "AutoDetect": True}
CORP_SETTINGS = AdvancedSettings("corp.test:8080", "*.corp test", "", True)
OURS = AdvancedSettings("127.0.0.1:1080", BYPASS, "", False)
NAME = "WinHTTP (advanced settings of the machine)"

Netsh = Callable[[str], None]


@pytest.fixture(autouse=True)
def all_users_as_before() -> object:
    before = all_users.query()
    yield
    all_users.change(before)
    for name in ("SystemProxyAllUsers", "SystemProxyAdvanced"):
        set_registry_value(winreg.HKEY_LOCAL_MACHINE, OWN_KEY, name, None)


@pytest.fixture
def netsh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Netsh:
    """Put a netsh in place that has this state."""
    script, state = Path(__file__).with_name("documented_netsh.py"), tmp_path / "netsh.state"
    command = [sys.executable, str(script), str(state)]
    monkeypatch.setattr(netsh_program, "command", lambda: command)

    def put(kept: str) -> None:
        state.write_text(kept, encoding="utf-8")

    return put


def saved() -> object:
    (value,) = registry_values(winreg.HKEY_LOCAL_MACHINE, OWN_KEY, "SystemProxyAdvanced")
    return value


def test_all_users_get_them_too_and_what_was_there_comes_back(
    netsh: Netsh, capsys: pytest.CaptureFixture[str]
) -> None:
    netsh(json.dumps(CORP))
    before = all_users.query(), everything()
    assert system_proxy("on --all-users") == 0
    assert advanced_proxy.query() == OURS
    assert f"{NAME}: the proxy 127.0.0.1:1080 but for {BYPASS}; set" in capsys.readouterr().out
    assert system_proxy("on --all-users --listen 127.0.0.1:3128") == 0
    assert advanced_proxy.query().proxy == "127.0.0.1:3128"
    assert system_proxy("status --all-users") == 0
    # Who doesn't ask for it turns it off, too.
    assert system_proxy("off") == 0
    assert f"{NAME}: restored; it has the proxy corp.test:8080" in capsys.readouterr().out
    assert advanced_proxy.query() == CORP_SETTINGS
    assert (all_users.query(), everything()) == before
    assert saved() is None


def test_one_user_leaves_them_alone(netsh: Netsh) -> None:
    netsh(json.dumps(CORP))
    assert system_proxy("on") == 0
    assert advanced_proxy.query() == CORP_SETTINGS
    assert system_proxy("off") == 0


def test_settings_that_follow_the_others_are_not_set(netsh: Netsh) -> None:
    """Else `off` would restore what is ours, after the others are gone."""
    netsh('{"Proxy": "127.0.0.1:1080", "AutoConfigUrl": " "}')
    assert system_proxy("on --all-users") == 0
    assert saved() is None
    assert system_proxy("off --all-users") == 0


def test_an_older_netsh_changes_nothing(netsh: Netsh, capsys: pytest.CaptureFixture[str]) -> None:
    netsh("old")
    assert advanced_proxy.shown() is None
    assert system_proxy("on --all-users") == 0
    assert "advanced" not in capsys.readouterr().out
    assert system_proxy("off --all-users") == 0


def test_a_refusal_is_told_and_spoils_nothing(
    netsh: Netsh, capsys: pytest.CaptureFixture[str]
) -> None:
    netsh("stubborn")
    assert system_proxy("on --all-users") == 0
    told = capsys.readouterr().out
    assert f"{NAME}: Windows took the settings but uses others (the proxy other.test:1)" in told
    assert "WinINET (for all users): the proxy 127.0.0.1:1080" in told
    assert saved() is None
    assert system_proxy("off --all-users") == 0


def test_an_uninstall_takes_them_back(netsh: Netsh) -> None:
    netsh("{}")
    assert system_proxy("on --all-users") == 0
    proxy_commands.turn_off_ours()
    assert advanced_proxy.query() == AdvancedSettings("", "", "", False)
    assert saved() is None


def test_a_netsh_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, 60)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(OSError, match="netsh took more than 60 s"):
        advanced_proxy.query()


def test_what_is_said_of_settings() -> None:
    assert str(AdvancedSettings("", "", "", False)) == "no proxy"
    assert str(AdvancedSettings("", "", "http://a/pac", False)) == "the PAC file http://a/pac"


@pytest.mark.skipif(not IN_WINE, reason="Windows 11 has them, Windows 10 hasn't")
def test_wine_has_none() -> None:
    assert advanced_proxy.shown() is None
