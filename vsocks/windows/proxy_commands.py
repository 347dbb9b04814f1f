"""`system-proxy on`, `off` and `status`, for both places where Windows keeps a proxy.

WinINET's settings are per user: browsers and most programs follow them. WinHTTP's are per machine:
services and Windows Update follow them, and only an administrator may change them. They are changed
first, so that without those rights nothing is changed.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import os
import winreg
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from vsocks.windows import winhttp, wininet
from vsocks.windows.proxy_backup import DeniedError
from vsocks.windows.proxy_switch import Switch
from vsocks.windows.winhttp import MachineSettings
from vsocks.windows.wininet import UserSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_SO: Final = 1


def turn_on(server: str, bypass: str, script: str | None, *, user_only: bool) -> int:
    """Set the proxy in both places or in none; a PAC file, if given, in WinINET only.

    Returns the exit status, like the others here; raises ProxyError if Windows refuses.
    """

    def for_user(before: UserSettings) -> UserSettings:
        return before.with_script(script) if script else before.with_proxy(server, bypass)

    def for_machine(before: MachineSettings) -> MachineSettings:
        return before.with_proxy(server, bypass)

    with ExitStack() as stack:
        if not user_only:
            with _advising():
                stack.enter_context(_of_machine().turned_on(for_machine))
        # Should this fail, what is on the stack is undone.
        stack.enter_context(_of_user().turned_on(for_user))
    return status(user_only=user_only)


def turn_off(*, user_only: bool) -> int:
    """Restore the settings from before; exit status 0 if nothing is left to restore."""
    all_done = True
    if not user_only:
        with _advising():
            all_done, report = _of_machine().turn_off()
        _say(report)
    done, report = _of_user().turn_off()
    _say(report)
    return 0 if done and all_done else _NOT_SO


def status(*, user_only: bool) -> int:
    """Print what is set; exit status 0 if all of it is ours."""
    reports = _reports(user_only=user_only)
    for _, report in reports:
        _say(report)
    return 0 if all(ours for ours, _ in reports) else _NOT_SO


def _reports(*, user_only: bool) -> list[tuple[bool, str]]:
    of_machine = [] if user_only else [_of_machine().describe()]
    return [_of_user().describe(), *of_machine]


def _of_user() -> Switch[UserSettings]:
    return Switch(
        f"WinINET (for {os.getlogin()})",
        winreg.HKEY_CURRENT_USER,
        UserSettings,
        wininet.query,
        wininet.change,
    )


def _of_machine() -> Switch[MachineSettings]:
    return Switch(
        "WinHTTP (for the machine)",
        winreg.HKEY_LOCAL_MACHINE,
        MachineSettings,
        winhttp.query,
        winhttp.change,
    )


@contextmanager
def _advising() -> Iterator[None]:
    """Add advice to a DeniedError: the machine's settings, which come first, need rights."""
    try:
        yield
    except DeniedError:
        raise DeniedError(
            "administrator rights are needed for the settings of WinHTTP, which are the machine's; "
            "nothing has been changed. Run this as administrator, or with --user-only: "
            f"that changes WinINET alone, for {os.getlogin()}"
        ) from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
