"""The built program sets the system proxy of a Wine prefix, and takes it away again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.exe.wine import Wine, WineError
from vsocks.address import Target
from vsocks.cli import setup_lines

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500, func_only=True)]

USER = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings"
MACHINE = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Internet Settings\Connections"
SAVED = r"\Software\vsocks"
UNSET = {"http_proxy": "", "HTTP_PROXY": ""}
"""Wine's WinHTTP takes a proxy from there when the registry has none."""


class SystemProxy:
    """`vsocks-guest system-proxy …` in a prefix."""

    def __init__(self, wine: Wine, program: Path) -> None:
        self._wine = wine
        self._program = program

    def does(self, *words: str) -> str:
        """What it says when it succeeds."""
        return self._wine.run(self._program, "system-proxy", *words, timeout=170, extra=UNSET)

    def refuses(self, *words: str) -> str:
        """What it says when it doesn't."""
        with pytest.raises(WineError) as refused:
            self.does(*words)
        return str(refused.value)

    def registry(self, key: str, value: str) -> str | None:
        """As `reg query` shows it; None if there is no such value."""
        try:
            printed = self._wine.run("reg", "query", key, "/v", value)
        except WineError:
            return None
        found = re.search(rf"^ *{value} +REG_\w+ +(.*)$", printed, re.MULTILINE)
        assert found, printed
        return found[1].strip()


@pytest.fixture
def system_proxy(own_wine: Wine, folder_form: Path) -> SystemProxy:
    return SystemProxy(own_wine, folder_form)


def test_on_and_off(own_wine: Wine, system_proxy: SystemProxy) -> None:
    """What somebody else had set comes back."""
    for name, kind, value in (
        ("ProxyEnable", "REG_DWORD", "1"),
        ("ProxyServer", "REG_SZ", "corp.test:8080"),
        ("ProxyOverride", "REG_SZ", "*.corp.test"),
    ):
        own_wine.run("reg", "add", USER, "/v", name, "/t", kind, "/d", value, "/f")
    assert "not set by vsocks" in system_proxy.refuses("status")

    told = system_proxy.does("on", "--listen", "0.0.0.0:3128")
    assert told.count("the proxy 127.0.0.1:3128") == 2
    assert system_proxy.registry(USER, "ProxyServer") == "127.0.0.1:3128"
    settings = system_proxy.registry(MACHINE, "WinHttpSettings")
    assert settings
    assert b"127.0.0.1:3128" in bytes.fromhex(settings)
    assert "off restores the proxy corp.test:8080" in system_proxy.does("status")
    for root in ("HKCU", "HKLM"):
        assert system_proxy.registry(root + SAVED, "SystemProxy")

    assert system_proxy.does("off").count(": restored; it has ") == 2
    assert system_proxy.registry(USER, "ProxyEnable") == "0x1"
    assert system_proxy.registry(USER, "ProxyServer") == "corp.test:8080"
    assert system_proxy.registry(USER, "ProxyOverride") == "*.corp.test"
    for root in ("HKCU", "HKLM"):
        assert not system_proxy.registry(root + SAVED, "SystemProxy")
    assert "nothing is saved" in system_proxy.does("off")


def test_show(own_wine: Wine, system_proxy: SystemProxy, tmp_path: Path) -> None:
    """What it prints is a script that cmd takes."""
    printed = system_proxy.does("show")
    assert printed.splitlines() == list(setup_lines.cmd_lines(Target("127.0.0.1", 1080)))
    script = tmp_path / "proxy.cmd"
    script.write_text(printed)
    own_wine.run("cmd", "/c", own_wine.windows_path(script))
    assert system_proxy.registry(USER, "ProxyServer") == "127.0.0.1:1080"
    assert system_proxy.registry(USER, "ProxyOverride") == setup_lines.WINDOWS_BYPASS


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "required: on|off|status|show"),
        (["on", "--listen", "nonsense"], "'nonsense' is not ADDR:PORT"),
        (["off", "--listen", "127.0.0.1:1"], "unrecognized arguments"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nonsense_gets_one_line(system_proxy: SystemProxy, words: list[str], problem: str) -> None:
    told = system_proxy.refuses(*words)
    assert problem in told
    assert len(told.strip().splitlines()) == 2, "the exception's line, and one of the program"
