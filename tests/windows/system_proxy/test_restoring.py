"""What was there before comes back, to the letter, and what is somebody else's stays."""

from __future__ import annotations

import sys

import pytest

assert sys.platform == "win32"


from tests.windows.system_proxy.documented_wininet import (
    AUTO_DETECT,
    AUTO_PROXY_URL,
    DIRECT,
    PROXY,
    DocumentedWinInet,
)
from tests.windows.system_proxy.support import (
    FOREIGN_MACHINE,
    FOREIGN_USER,
    IN_WINE,
    everything,
    saved_values,
    system_proxy,
)
from vsocks.windows import winhttp, wininet
from vsocks.windows.wininet import UserSettings


@pytest.mark.parametrize("pac", ["", " --pac"])
def test_off_restores_what_somebody_else_had_set(pac: str, either_wininet: str) -> None:
    if pac and either_wininet == "the system's own" and IN_WINE:
        pytest.skip("Wine's WinINET doesn't store the PAC file")
    wininet.change(FOREIGN_USER)
    winhttp.change(FOREIGN_MACHINE)
    before = everything()
    assert system_proxy(f"on{pac}") == 0
    assert everything() != before
    assert system_proxy("off") == 0
    assert everything() == before
    assert saved_values() == [None, None]


@pytest.mark.parametrize(
    "before",
    [
        UserSettings(DIRECT, None, None, None),
        UserSettings(DIRECT | AUTO_DETECT, "", "", ""),
        UserSettings(DIRECT | AUTO_PROXY_URL, "unused.test:1", None, "http://corp.test/x.pac"),
        UserSettings(DIRECT | PROXY | AUTO_PROXY_URL | AUTO_DETECT, "http=a:1", "é", "file:x"),
    ],
    ids=str,
)
@pytest.mark.parametrize("ons", [["on"], ["on --pac"], ["on", "on --listen [::1]:2 --pac", "on"]])
def test_off_restores_every_field(
    documented: DocumentedWinInet, before: UserSettings, ons: list[str]
) -> None:
    wininet.change(before)
    for on in ons:
        assert system_proxy(on) == 0
    assert system_proxy("off") == 0
    assert wininet.query() == before


@pytest.mark.usefixtures("either_wininet")
def test_on_twice_still_knows_what_was_there_first() -> None:
    wininet.change(FOREIGN_USER)
    winhttp.change(FOREIGN_MACHINE)
    before = everything()
    for line in ("on", "on", "on --listen 127.0.0.1:3128", "on --listen 127.0.0.1:3129"):
        assert system_proxy(line) == 0
    assert system_proxy("off") == 0
    assert everything() == before


@pytest.mark.usefixtures("either_wininet")
def test_off_without_on_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    wininet.change(FOREIGN_USER)
    before = everything()
    assert system_proxy("off") == 0
    assert everything() == before
    told = capsys.readouterr().out.splitlines()
    assert [": nothing is saved to be restored; it has " in line for line in told] == [True, True]
    assert "the proxy corp.test:8080" in told[1]


@pytest.mark.usefixtures("either_wininet")
def test_what_somebody_else_has_set_since_is_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    system_proxy("on")
    wininet.change(FOREIGN_USER)
    winhttp.change(FOREIGN_MACHINE)
    theirs = everything()
    assert system_proxy("status") == 1
    assert capsys.readouterr().out.count("not set by vsocks any more, before: no proxy") == 2
    assert system_proxy("off") == 1
    assert everything() == theirs
    told = capsys.readouterr().out
    assert told.count("left alone, for somebody has changed it since: it has the proxy corp") == 2
    # From now on it's theirs that is there before ours.
    assert system_proxy("on") == 0
    assert system_proxy("off") == 0
    assert everything() == theirs
