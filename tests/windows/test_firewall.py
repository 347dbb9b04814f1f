"""What the firewall is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

assert sys.platform == "win32"

from vsocks.windows import firewall, netsh


class Netsh:
    """In place of the program, whose advfirewall Wine doesn't have: notes its calls."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.calls: list[list[str]] = []

    def __call__(self, command: list[object], **_: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        self.calls.append(words[3:])
        failed = words[3] in self.failing
        return subprocess.CompletedProcess(words, int(failed), "it\r\nfailed" if failed else "Ok.")


def test_other_machines_are_let_in_where_they_are_meant_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    played = Netsh("delete")
    monkeypatch.setattr(subprocess, "run", played)
    program = Path(r"C:\Program Files\vsocks\vsocks-guest.exe")
    assert firewall.set_rules("it", program, {"TCP": [1080, 53, 53], "UDP": []}) == ""
    assert played.calls == [
        ["delete", "rule", "name=it"],
        [
            *("add", "rule", "name=it", "dir=in", "action=allow", f"program={program}"),
            *("protocol=TCP", "localport=53,1080"),
        ],
    ]
    monkeypatch.setattr(subprocess, "run", Netsh("add"))
    assert firewall.set_rules("it", program, {"TCP": [1]}) == "it failed"


def test_a_netsh_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netsh, "system_folder", lambda: tmp_path)
    assert firewall.set_rules("it", tmp_path, {"UDP": [53]})
