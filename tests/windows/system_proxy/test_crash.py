"""A crash in the middle: what was there first is still known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

assert sys.platform == "win32"


from tests.windows.system_proxy.support import (
    FOREIGN_MACHINE,
    FOREIGN_USER,
    everything,
    saved_values,
    system_proxy,
)
from vsocks.windows import winhttp, wininet
from vsocks.windows.proxy_backup import BackupStore


class CrashError(BaseException):
    """Nothing handles it, as nothing runs any more after a crash."""


class Crash:
    """Happens at a given step, counted from 0: before each writing call, and after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        self._left = step
        for owner, name in (
            (BackupStore, "save"),
            (BackupStore, "forget"),
            (wininet, "change"),
            (winhttp, "change"),
        ):
            monkeypatch.setattr(owner, name, self._at(getattr(owner, name)))

    def _at(self, call: Callable[..., None]) -> Callable[..., None]:
        def dangerous(*arguments: object) -> None:
            self._step()
            call(*arguments)
            self._step()

        return dangerous

    def _step(self) -> None:
        if self._left == 0:
            raise CrashError
        self._left -= 1


def crashes(line: str, step: int) -> bool:
    """Whether it had so many steps, at the last of which it crashed."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        Crash(monkeypatch, step)
        try:
            assert system_proxy(line) == 0
        except CrashError:
            return True
    return False


STEPS = {"on": 12, "off": 12}
"""Save, set and save, for both; save, set and forget, for both: before and after each."""


@pytest.mark.usefixtures("documented")  # every change of Wine's own takes 0.1 s
@pytest.mark.parametrize("earlier", [[], ["on --listen 127.0.0.1:99"]], ids=["new", "changed"])
@pytest.mark.parametrize("then", ["off", "on"])
@pytest.mark.parametrize("crashed", ["on", "off"])
def test_a_crash_at_any_step_loses_nothing(crashed: str, then: str, earlier: list[str]) -> None:
    """Whatever the user does next, what was there first comes back in the end."""
    wininet.change(FOREIGN_USER)
    winhttp.change(FOREIGN_MACHINE)
    before = everything()
    steps = 0
    while True:
        for line in [*earlier, *(["on"] if crashed == "off" else [])]:
            assert system_proxy(line) == 0
        if not crashes(crashed, steps):
            break
        steps += 1
        system_proxy("status")
        if then == "on":
            assert system_proxy("on") == 0
            assert system_proxy("status") == 0
        assert system_proxy("off") == 0
        assert everything() == before
        assert saved_values() == [None, None]
    assert steps == STEPS[crashed]


def test_a_process_that_is_gone_between_saving_and_setting() -> None:
    wininet.change(FOREIGN_USER)
    before = everything()
    code = (
        "import os; from vsocks.cli import windows_main; from vsocks.windows import wininet;"
        "wininet.change = lambda settings: os._exit(7); windows_main.main(['system-proxy', 'on'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, check=False)
    assert ended.returncode == 7
    assert winhttp.query().proxy == "127.0.0.1:1080"
    assert wininet.query() == before[0]
    assert None not in saved_values()
    assert system_proxy("status") == 1
    assert system_proxy("off") == 0
    assert everything() == before
    assert saved_values() == [None, None]
