"""What is set, what is told of it, and that programs come to the proxy."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

assert sys.platform == "win32"

import winreg

from tests.windows.system_proxy.documented_wininet import (
    AUTO_DETECT,
    AUTO_PROXY_URL,
    AUTOCONFIG_URL,
    DIRECT,
    PROXY,
    PROXY_BYPASS,
    PROXY_SERVER,
    REFRESH,
    SETTINGS_CHANGED,
    DocumentedWinInet,
)
from tests.windows.system_proxy.support import (
    BYPASS,
    FOREIGN_MACHINE,
    IN_WINE,
    INTERNET_SETTINGS,
    everything,
    fetch,
    http_proxy,
    registry_values,
    system_proxy,
)
from vsocks.address import Target
from vsocks.cli import setup_lines
from vsocks.windows import winhttp
from vsocks.windows.winhttp import MachineSettings


def test_on_is_in_the_registry_where_windows_documents_it() -> None:
    assert system_proxy("on --listen 127.0.0.1:3128") == 0
    user = registry_values(
        winreg.HKEY_CURRENT_USER, INTERNET_SETTINGS, "ProxyEnable", "ProxyServer", "ProxyOverride"
    )
    # Wine's WinINET doesn't store the bypass list.
    assert user == [1, "127.0.0.1:3128", None if IN_WINE else BYPASS]
    (machine,) = registry_values(
        winreg.HKEY_LOCAL_MACHINE, rf"{INTERNET_SETTINGS}\Connections", "WinHttpSettings"
    )
    assert isinstance(machine, bytes)
    for text in ("127.0.0.1:3128", BYPASS):
        assert text.encode() in machine
    assert system_proxy("off") == 0
    user = registry_values(
        winreg.HKEY_CURRENT_USER, INTERNET_SETTINGS, "ProxyEnable", "ProxyServer", "ProxyOverride"
    )
    assert user == [0, None, None]


@pytest.mark.parametrize("by", ["wininet", "winhttp"])
def test_programs_come_to_the_proxy(by: str) -> None:
    with http_proxy() as (address, lines):
        assert system_proxy(f"on --listen {address}") == 0
        assert fetch(by, "http://name.test/") == "299"
    assert lines[0].startswith("GET http://name.test")


def test_python_sees_the_proxy_of_the_user() -> None:
    """As many others do, it looks into the registry."""
    system_proxy("on")
    assert urllib.request.getproxies()["https"] == "http://127.0.0.1:1080"


@pytest.mark.usefixtures("either_wininet")
@pytest.mark.parametrize(
    ("listen", "server"),
    [("0.0.0.0:99", "127.0.0.1:99"), ("[::]:99", "[::1]:99"), ("[fd00::1]:99", "[fd00::1]:99")],
)
def test_the_address_is_what_clients_can_connect_to(listen: str, server: str) -> None:
    system_proxy(f"on --listen {listen}")
    user, machine = everything()
    assert (user.flags & PROXY, user.proxy) == (PROXY, server)
    assert machine == MachineSettings(3, server, BYPASS)


def test_on_sets_all_of_what_windows_documents(documented: DocumentedWinInet) -> None:
    documented.flags, documented.texts = DIRECT | AUTO_DETECT, {AUTOCONFIG_URL: "http://corp.test/"}
    assert system_proxy("on") == 0
    assert documented.flags == DIRECT | PROXY
    assert documented.texts == {
        PROXY_SERVER: "127.0.0.1:1080",
        PROXY_BYPASS: BYPASS,
        AUTOCONFIG_URL: "http://corp.test/",
    }
    assert documented.told == [SETTINGS_CHANGED, REFRESH]


def test_a_pac_file(documented: DocumentedWinInet, capsys: pytest.CaptureFixture[str]) -> None:
    """WinHTTP's settings have no place for one."""
    assert system_proxy("on --pac") == 0
    assert documented.flags == DIRECT | AUTO_PROXY_URL
    assert documented.texts[AUTOCONFIG_URL] == "http://127.0.0.1:1080/proxy.pac"
    assert documented.texts[PROXY_SERVER] is None
    assert winhttp.query().proxy == "127.0.0.1:1080"
    assert "the PAC file http://127.0.0.1:1080/proxy.pac; set by vsocks" in capsys.readouterr().out


def test_show_prints_commands_that_do_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those for the registry, which Wine has; it has no netsh winhttp and no setx."""
    assert system_proxy("show --listen [::1]:99") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == list(setup_lines.cmd_lines(Target("::1", 99)))
    sets = [line for line in lines if line.startswith("set ")]
    undoes = [line.removeprefix("rem ") for line in lines if INTERNET_SETTINGS in line]
    undoes = [line for line in undoes if line not in lines]
    script = tmp_path / "show.cmd"

    def run(*commands: str) -> str:
        script.write_text("\n".join(["@echo off", *commands, "set", "exit 0"]))
        command = ["cmd", "/c", str(script)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    names = ("ProxyEnable", "ProxyServer", "ProxyOverride", "AutoConfigURL")
    key = (winreg.HKEY_CURRENT_USER, INTERNET_SETTINGS, *names)
    printed = run(*(line for line in lines if line.startswith("reg add ")), *sets)
    assert registry_values(*key) == [1, "[::1]:99", BYPASS, None]
    for variable in setup_lines.variables(Target("::1", 99)).items():
        assert "=".join(variable) in printed.splitlines()
    # The first of these is the PAC file, which is an alternative.
    run(undoes[0])
    assert registry_values(*key)[3] == "http://[::1]:99/proxy.pac"
    run(*undoes[1:])
    assert registry_values(*key) == [0, None, None, None]


def test_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert system_proxy("status") == 1
    assert capsys.readouterr().out.count(": no proxy; not set by vsocks") == 2
    winhttp.change(FOREIGN_MACHINE)
    assert system_proxy("on") == 0
    # Turning it on and asking say the same.
    told = capsys.readouterr().out
    assert system_proxy("status") == 0
    assert capsys.readouterr().out == told
    user, machine = told.splitlines()
    assert user.startswith("WinINET (for ")
    assert user.endswith("; set by vsocks, off restores no proxy")
    assert machine == (
        f"WinHTTP (for the machine): the proxy 127.0.0.1:1080 but for {BYPASS}; "
        "set by vsocks, off restores the proxy corp.test:3128 but for *.corp.test"
    )


def test_user_only_leaves_the_machine_alone() -> None:
    before = everything()
    assert system_proxy("on --user-only") == 0
    assert winhttp.query() == before[1]
    assert system_proxy("status --user-only") == 0
    assert system_proxy("status") == 1
    assert system_proxy("off --user-only") == 0
    assert everything() == before
