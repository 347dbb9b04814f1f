"""netsh as Microsoft's page "Netsh.exe commands" has it, for `winhttp show` and `set advproxy`.

Run with the path of a file that has the settings: as JSON, what `show` prints in it; or with the
word "old" in it, as one that knows no such command; or "stubborn", as one that shows others.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> int:
    """The exit status."""
    state, *words = sys.argv[1:]
    kept = Path(state).read_text(encoding="utf-8")
    if words[:3] == ["winhttp", "show", "advproxy"] and kept != "old":
        shown = '{"Proxy": "other.test:1"}' if kept == "stubborn" else kept
        print(f"\nCurrent WinHTTP advanced proxy settings:\n\n{shown}\n")
        return 0
    if words[:4] == ["winhttp", "set", "advproxy", "setting-scope=machine"] and kept != "old":
        (settings,) = words[4:]
        given = json.loads(settings.removeprefix("settings="))
        assert set(given) == {"Proxy", "ProxyBypass", "AutoconfigUrl", "AutoDetect"}
        if kept != "stubborn":
            told = {name: value for name, value in given.items() if value != ""}
            in_use = {"ProxyIsEnabled": bool(given["Proxy"]), "PerUserProxySettings": False}
            Path(state).write_text(json.dumps(in_use | told, indent=8), encoding="utf-8")
        return 0
    print(f"The following command was not found: {' '.join(words)}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
