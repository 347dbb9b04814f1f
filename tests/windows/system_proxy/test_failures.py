"""Rights that are lacking, a WinINET that refuses: nothing stays half-done."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack

import pytest

assert sys.platform == "win32"

import winreg

from tests.windows.system_proxy.documented_wininet import DocumentedWinInet
from tests.windows.system_proxy.support import (
    IN_WINE,
    INTERNET_SETTINGS,
    NO_MACHINE_PROXY,
    OWN_KEY,
    everything,
    read_only,
    saved_values,
    set_registry_value,
    system_proxy,
)
from vsocks.windows import winhttp, wininet


@pytest.mark.parametrize("line", ["on", "off"])
def test_without_the_rights_for_it_nothing_is_changed(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an ordinary user lacks are rights to keys of HKEY_LOCAL_MACHINE."""
    if line == "off":
        system_proxy("on")
    before, saved = everything(), saved_values()
    with read_only(winreg.HKEY_LOCAL_MACHINE, OWN_KEY):
        assert system_proxy(line) == 1
        told = capsys.readouterr().err
        for part in ("administrator rights are needed", "nothing has been changed", "--user-only"):
            assert part in told
        assert system_proxy(f"{line} --user-only") == 0
        assert wininet.query() != before[0]
        assert winhttp.query() == before[1]
        assert saved_values()[1] == saved[1]


def test_winhttp_that_refuses_leaves_nothing_half_done(capsys: pytest.CaptureFixture[str]) -> None:
    """It is asked after the settings from before have been saved."""
    before = everything()
    with read_only(winreg.HKEY_LOCAL_MACHINE, rf"{INTERNET_SETTINGS}\Connections"):
        assert system_proxy("on") == 1
    assert capsys.readouterr().err
    assert everything() == before
    assert saved_values() == [None, None]


@pytest.mark.parametrize("earlier", [None, "on --listen 127.0.0.1:99"])
@pytest.mark.parametrize("how", ["the system's own", "as documented"])
def test_wininet_that_refuses_takes_winhttp_back_too(
    how: str,
    earlier: str | None,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if how == "as documented":
        documented: DocumentedWinInet = request.getfixturevalue("documented")
    elif not IN_WINE:
        pytest.skip("which keys Windows' own WinINET writes isn't documented")
    if earlier:
        system_proxy(earlier)
    before, saved = everything(), saved_values()
    with ExitStack() as stack:
        if how == "as documented":
            documented.refusal = 5
        else:
            stack.enter_context(read_only(winreg.HKEY_CURRENT_USER, INTERNET_SETTINGS))
        assert system_proxy("on") == 1
    told = capsys.readouterr().err
    for name in ("WinINET", "WinHTTP"):
        assert re.search(rf"; {name} \(for \w+( \w+)?\) is as it was", told)
    assert everything() == before
    assert saved_values() == saved


def test_wininet_that_is_bound_by_a_policy(
    documented: DocumentedWinInet, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes settings and goes on with those that it had."""
    documented.has_policy = True
    before = everything()
    assert system_proxy("on") == 1
    assert "uses others (no proxy), as it does when a group policy" in capsys.readouterr().err
    assert everything() == before
    assert saved_values() == [None, None]


def test_settings_that_cannot_be_put_back_are_told_of(
    documented: DocumentedWinInet, capsys: pytest.CaptureFixture[str]
) -> None:
    documented.breaks = True
    assert system_proxy("on") == 1
    told = capsys.readouterr().err
    assert re.search(r"\(1359\); WinINET \(.*\) couldn't be put back: Internal error", told)
    assert told.endswith("; WinHTTP (for the machine) is as it was\n")
    assert winhttp.query() == NO_MACHINE_PROXY
    # What was there is still known.
    system_proxy("status")
    assert "before: no proxy" in capsys.readouterr().out


@pytest.mark.parametrize("saved", ["{", "[]", "null", '{"before": {}, "ours": []}', '{"ours": 3}'])
def test_saved_settings_that_make_no_sense(saved: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_registry_value(winreg.HKEY_CURRENT_USER, OWN_KEY, "SystemProxy", saved)
    before = everything()
    for line in ("on", "off", "status"):
        assert system_proxy(line) == 1
        told = capsys.readouterr().err
        assert r"what was saved makes no sense; see the value SystemProxy of HKCU\SOFTWARE" in told
    assert everything() == before
