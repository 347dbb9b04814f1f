"""Lines that set up programs for the proxy: environment variables, and Windows' settings.

They are for people to read and paste, and for a shell to evaluate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vsocks.address import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOWS_BYPASS: Final = "localhost;127.*"
"""What WinINET and WinHTTP don't send to a proxy.

Not `<local>`, names without a dot: without a network card nobody else can reach them.
"""

_NO_PROXY: Final = "localhost,127.0.0.1,::1"
#: Where clients find a listener that takes connections on every address.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read here, not bound
_EXEMPT_ALL: Final = (
    "Get-AppxPackage | ForEach-Object "
    "{ CheckNetIsolation LoopbackExempt -a ('-n=' + $_.PackageFamilyName) }"
)
_INTERNET_SETTINGS: Final = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Internet Settings"


def as_clients_see_it(listen: Target) -> Target:
    """The address at which clients on the same machine find a proxy that listens on ``listen``."""
    host = str(listen.ip or listen.host)
    return Target(_LOOPBACK.get(host, host), listen.port)


def script_url(proxy: Target) -> str:
    """The URL of the proxy's PAC file."""
    return f"http://{proxy}/proxy.pac"


def variables(proxy: Target) -> dict[str, str]:
    """The environment variables, by their upper-case names."""
    return {
        "HTTP_PROXY": f"http://{proxy}",
        "HTTPS_PROXY": f"http://{proxy}",
        "ALL_PROXY": f"socks5h://{proxy}",
        "NO_PROXY": _NO_PROXY,
    }


def shell_lines(proxy: Target) -> Iterator[str]:
    """For a POSIX shell: nothing in them but exports and comments."""
    values = variables(proxy)
    yield '# in this shell: eval "$(vsocks system-proxy show)"; in all of them: in ~/.profile'
    # curl takes http_proxy in lower case alone; others look for the upper case first, or only.
    for name, value in values.items():
        yield f"export {name.lower()}='{value}' {name}='{value}'"
    yield f"# to undo it: unset {' '.join(f'{name.lower()} {name}' for name in values)}"
    yield ""
    yield "# programs that are better told in their own files, or that know no such variables:"
    yield f'# apt  /etc/apt/apt.conf.d/90vsocks:  Acquire::http::Proxy "http://{proxy}";'
    yield f'#                                     Acquire::https::Proxy "http://{proxy}";'
    yield f"# git  git config --global http.proxy http://{proxy}"
    yield f"# ssh  ~/.ssh/config:  ProxyCommand nc -X 5 -x {proxy} %h %p"


def cmd_lines(proxy: Target) -> Iterator[str]:
    """For cmd.exe: what `system-proxy on` does, the environment too, and how to undo it."""
    yield "rem WinINET: browsers and most programs of the current user, when they are started next"
    yield _reg_add("ProxyEnable", "REG_DWORD", "1")
    yield _reg_add("ProxyServer", "REG_SZ", str(proxy))
    yield _reg_add("ProxyOverride", "REG_SZ", WINDOWS_BYPASS)
    yield "rem or, instead of these three, a PAC file:"
    yield f"rem {_reg_add('AutoConfigURL', 'REG_SZ', script_url(proxy))}"
    yield ""
    yield "rem WinHTTP: services; as administrator"
    yield f'netsh winhttp set proxy proxy-server="{proxy}" bypass-list="{WINDOWS_BYPASS}"'
    yield ""
    yield "rem Store apps may not connect to this machine itself; this lets those do so that are"
    yield "rem installed for the current user, or, by its package family name, one of them:"
    yield f'powershell -NoProfile -Command "{_EXEMPT_ALL}"'
    yield "rem CheckNetIsolation LoopbackExempt -a -n=PACKAGEFAMILYNAME"
    yield ""
    yield "rem programs that look at the environment: in this window, and those started from now on"
    values = variables(proxy)
    for name, value in values.items():
        yield f"set {name}={value}"
    for name, value in values.items():
        yield f"setx {name} {value}"
    yield ""
    yield "rem to undo it:"
    yield f"rem {_reg_add('ProxyEnable', 'REG_DWORD', '0')}"
    for value in ("ProxyServer", "ProxyOverride", "AutoConfigURL"):
        yield f'rem reg delete "{_INTERNET_SETTINGS}" /v {value} /f'
    yield "rem netsh winhttp reset proxy"
    yield "rem CheckNetIsolation LoopbackExempt -c"
    for name in values:
        yield f"rem set {name}="
    for name in values:
        yield rf"rem reg delete HKCU\Environment /v {name} /f"


def _reg_add(name: str, kind: str, value: str) -> str:
    return f'reg add "{_INTERNET_SETTINGS}" /v {name} /t {kind} /d "{value}" /f'
