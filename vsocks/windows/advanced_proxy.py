r"""WinHTTP's "advanced" proxy settings, which Windows 11 and Server 2022 have beside the old ones.

`netsh winhttp set advproxy` sets them, and `show advproxy` prints them as JSON: "Proxy",
"ProxyBypass", "AutoconfigUrl", "AutoDetect", and some that tell what is in use (Microsoft's page
"Netsh.exe commands"). An older netsh, and Wine's, know neither. Where netsh fails, OSError is
raised.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import json
from dataclasses import dataclass
from typing import Final

from vsocks.windows.netsh import netsh

_ERROR_NOT_SUPPORTED: Final = 50


@dataclass(frozen=True, slots=True)
class AdvancedSettings:
    """The machine's; the form in which netsh takes them."""

    proxy: str
    bypass: str
    #: The address of a PAC file.
    script: str
    detect: bool

    def with_proxy(self, server: str, bypass: str) -> AdvancedSettings:
        """Settings with only this proxy in use."""
        return AdvancedSettings(server, bypass, "", False)

    def is_by(self, ours: AdvancedSettings) -> bool:
        """Whether the proxy of ``ours`` is in use here."""
        return (self.proxy, self.script) == (ours.proxy, ours.script)

    def __str__(self) -> str:
        if self.script:
            return f"the PAC file {self.script}"
        but_for = f" but for {self.bypass}" if self.bypass else ""
        return f"the proxy {self.proxy}{but_for}" if self.proxy else "no proxy"


def shown() -> AdvancedSettings | None:
    """The settings as they are; None if this Windows has none of the kind."""
    try:
        return query()
    except OSError:
        return None


def query() -> AdvancedSettings:
    """The settings as they are."""
    said = _netsh("show", "advproxy")
    try:
        shown = json.loads(said[said.index("{") : said.rindex("}") + 1])
        # "AutoconfigUrl" is spelled in more than one way.
        values = {name.lower(): value for name, value in shown.items()}
    except (ValueError, AttributeError):
        raise _failure("netsh shows no advanced settings", _ERROR_NOT_SUPPORTED) from None
    # What is empty it leaves out, or shows as a space.
    proxy, bypass, script = (
        str(values.get(name) or "").strip() for name in ("proxy", "proxybypass", "autoconfigurl")
    )
    return AdvancedSettings(proxy, bypass, script, values.get("autodetect") is True)


def change(settings: AdvancedSettings) -> None:
    """Set them."""
    text = json.dumps(
        {
            "Proxy": settings.proxy,
            "ProxyBypass": settings.bypass,
            "AutoconfigUrl": settings.script,
            "AutoDetect": settings.detect,
        },
        separators=(",", ":"),
    )
    _netsh("set", "advproxy", "setting-scope=machine", f"settings={text}")


def _netsh(*words: str) -> str:
    """What it said."""
    status, said = netsh("winhttp", *words)
    if status:
        raise _failure(" ".join(said.split()), status)
    return said


def _failure(what: str, number: int) -> OSError:
    return OSError(0, what, None, number)
