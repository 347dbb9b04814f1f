"""`system-proxy on`, `off` and `status`, for all places where Windows keeps a proxy.

WinINET's settings are per user, unless a policy makes them the machine's: browsers and most
programs follow them. WinHTTP's are per machine: services and Windows Update follow them. Only an
administrator may change what is the machine's. That comes first, so that without those rights
nothing is changed.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import os
import winreg
from contextlib import ExitStack, contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Final

from vsocks.errors import describe
from vsocks.windows import advanced_proxy, all_users, protected, winhttp, wininet
from vsocks.windows.advanced_proxy import AdvancedSettings
from vsocks.windows.all_users import AllUsersSettings
from vsocks.windows.proxy_backup import VALUE, DeniedError, ProxyError, users_with_backup
from vsocks.windows.proxy_switch import Switch
from vsocks.windows.winhttp import MachineSettings
from vsocks.windows.wininet import UserSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

_NOT_SO: Final = 1
_SYSTEM: Final = "S-1-5-18"


class Scope(Enum):
    """Whose settings."""

    #: WinINET's of the current user.
    USER = "user"
    #: These, and WinHTTP's.
    BOTH = "both"
    #: WinINET's of all users, and WinHTTP's, of programs of both word sizes.
    ALL_USERS = "all users"


def scope_of(*, user_only: bool, every_user: bool) -> Scope:
    """The scope that the options mean; SYSTEM means all users, for nobody sees its own settings."""
    is_system = protected.own_user() == _SYSTEM
    if user_only:
        if is_system:
            _say("this changes the settings of SYSTEM itself, which no user's programs follow")
        return Scope.USER
    return Scope.ALL_USERS if every_user or is_system else Scope.BOTH


def turn_on(server: str, bypass: str, script: str | None, scope: Scope) -> int:
    """Set the proxy in all places of the scope or in none; a PAC file, if given, in WinINET only.

    Returns the exit status, like the others here; raises ProxyError if Windows refuses.
    """

    def for_user(before: UserSettings) -> UserSettings:
        return before.with_script(script) if script else before.with_proxy(server, bypass)

    def for_all(before: AllUsersSettings) -> AllUsersSettings:
        return before.with_script(script) if script else before.with_proxy(server, bypass)

    def for_machine(before: MachineSettings) -> MachineSettings:
        return before.with_proxy(server, bypass)

    with ExitStack() as stack:
        # Should one of these fail, what is on the stack is undone.
        if scope is not Scope.USER:
            with _advising():
                stack.enter_context(_of_machine().turned_on(for_machine))
        if scope is Scope.ALL_USERS:
            stack.enter_context(_of_all_users().turned_on(for_all))
            _turn_on_advanced(server, bypass)
        else:
            stack.enter_context(_of_user().turned_on(for_user))
    if scope is Scope.ALL_USERS:
        wininet.tell_programs()
    return status(scope)


def _turn_on_advanced(server: str, bypass: str) -> None:
    """Set WinHTTP's newer settings, where this Windows has them; a refusal is only told of.

    They come last: with the policy that the settings are the machine's, netsh shows the machine's.
    """
    now = advanced_proxy.shown()
    if now is None:
        return
    switch, ours = _of_advanced(), now.with_proxy(server, bypass)
    try:
        # They may follow what has been set before; then nothing of them is ours to restore.
        if switch.has_backup or not now.is_by(ours):
            with switch.turned_on(lambda before: before.with_proxy(server, bypass)):
                pass
    except ProxyError as error:
        _say(describe(error))


def turn_off(scope: Scope) -> int:
    """Restore the settings from before; exit status 0 if nothing is left to restore."""
    all_done = True
    for switch in _switches(scope):
        with _advising():
            done, report = switch.turn_off()
        all_done = all_done and done
        _say(report)
    if scope is Scope.ALL_USERS:
        wininet.tell_programs()
    return 0 if all_done else _NOT_SO


def turn_off_ours() -> None:
    """Restore whatever is ours, for whom we may; what can't be is only told of."""
    for switch in (_of_advanced(), _of_all_users(), _of_machine(), _of_user()):
        try:
            if switch.has_backup:
                _say(switch.turn_off()[1])
        except ProxyError as error:
            _say(describe(error))
    wininet.tell_programs()
    for sid in users_with_backup():
        _say(
            f"the system proxy of the user with the SID {sid} is still ours, and is not turned off"
        )


def status(scope: Scope) -> int:
    """Print what is set; exit status 0 if all of it is ours."""
    reports = [switch.describe() for switch in reversed(_switches(scope))]
    for _, report in reports:
        _say(report)
    return 0 if all(ours for ours, _ in reports) else _NOT_SO


AnySwitch = (
    Switch[UserSettings]
    | Switch[MachineSettings]
    | Switch[AllUsersSettings]
    | Switch[AdvancedSettings]
)


def _switches(scope: Scope) -> list[AnySwitch]:
    """The places of the scope, the machine's first; others also if they are ours."""
    if scope is Scope.USER:
        return [_of_user()]
    of_users: list[AnySwitch] = [_of_user()] if scope is Scope.BOTH else []
    for_all = _of_all_users()
    if scope is Scope.ALL_USERS or for_all.has_backup:
        of_users.insert(0, for_all)
    newer = _of_advanced()
    return [_of_machine(), *([newer] if newer.has_backup else []), *of_users]


def _of_user() -> Switch[UserSettings]:
    return Switch(
        f"WinINET (for {os.getlogin()})",
        winreg.HKEY_CURRENT_USER,
        UserSettings,
        wininet.query,
        wininet.change,
    )


def _of_all_users() -> Switch[AllUsersSettings]:
    return Switch(
        "WinINET (for all users)",
        winreg.HKEY_LOCAL_MACHINE,
        AllUsersSettings,
        all_users.query,
        all_users.change,
        saved_as=f"{VALUE}AllUsers",
    )


def _of_machine() -> Switch[MachineSettings]:
    return Switch(
        "WinHTTP (for the machine)",
        winreg.HKEY_LOCAL_MACHINE,
        MachineSettings,
        winhttp.query,
        winhttp.change,
    )


def _of_advanced() -> Switch[AdvancedSettings]:
    return Switch(
        "WinHTTP (advanced settings of the machine)",
        winreg.HKEY_LOCAL_MACHINE,
        AdvancedSettings,
        advanced_proxy.query,
        advanced_proxy.change,
        saved_as=f"{VALUE}Advanced",
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
