"""The proxy settings from before ours, kept in the registry until they are restored.

They are a single value, so that a crash leaves all of it or nothing.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

import contextlib
import json
import winreg
from dataclasses import asdict, dataclass
from typing import Final, Generic, Protocol, Self, TypeVar

from vsocks.errors import VsocksError

_KEY: Final = r"SOFTWARE\vsocks"
VALUE: Final = "SystemProxy"


class ProxyError(VsocksError):
    """The proxy settings can't be read or changed; the text says what was done and what wasn't."""


def users_with_backup() -> list[str]:
    """The SIDs of the users who are logged on and have our proxy, as far as we may look."""
    found = []
    for number in range(winreg.QueryInfoKey(winreg.HKEY_USERS)[0]):
        sid = winreg.EnumKey(winreg.HKEY_USERS, number)
        with (
            contextlib.suppress(OSError),
            winreg.OpenKey(winreg.HKEY_USERS, rf"{sid}\{_KEY}") as key,
        ):
            winreg.QueryValueEx(key, VALUE)
            found.append(sid)
    return found


class DeniedError(ProxyError):
    """It needs administrator rights."""


class Settings(Protocol):
    """Proxy settings of some kind; a dataclass of numbers and texts. As text: for people."""

    def with_proxy(self, server: str, bypass: str) -> Self:
        """The same with this proxy in use."""

    def is_by(self, ours: Self) -> bool:
        """Whether the proxy of ``ours`` is in use here."""


AnySettings = TypeVar("AnySettings", bound=Settings)


@dataclass(frozen=True, slots=True)
class Backup(Generic[AnySettings]):
    """The settings from before us, and ours, by which they are recognised."""

    before: AnySettings
    #: More than one while they are being changed: a crash leaves the one or the other.
    ours: tuple[AnySettings, ...]


class BackupStore(Generic[AnySettings]):
    """A place in the registry for one backup."""

    def __init__(self, root: int, kind: type[AnySettings], value: str = VALUE) -> None:
        self._root = root
        self._kind = kind
        self._value = value

    def load(self) -> Backup[AnySettings] | None:
        """The backup, if there is one. Raises ProxyError if it can't be understood."""
        try:
            with winreg.OpenKey(self._root, _KEY) as key:
                text, _ = winreg.QueryValueEx(key, self._value)
        except FileNotFoundError:
            return None
        try:
            kept = json.loads(text)
            ours = tuple(self._kind(**settings) for settings in kept["ours"])
            return Backup(self._kind(**kept["before"]), ours)
        except (ValueError, TypeError, KeyError):
            raise ProxyError(
                f"what was saved makes no sense; see the value {self._value} of {self._name}"
            ) from None

    def save(self, backup: Backup[AnySettings]) -> None:
        """Save this backup. Raises OSError."""
        ours = [asdict(settings) for settings in backup.ours]  # type: ignore[call-overload]
        text = json.dumps({"before": asdict(backup.before), "ours": ours})  # type: ignore[call-overload]
        with winreg.CreateKey(self._root, _KEY) as key:
            winreg.SetValueEx(key, self._value, 0, winreg.REG_SZ, text)

    def forget(self) -> None:
        """Delete the backup. Raises OSError."""
        with (
            contextlib.suppress(FileNotFoundError),
            winreg.OpenKey(self._root, _KEY, 0, winreg.KEY_SET_VALUE) as key,
        ):
            winreg.DeleteValue(key, self._value)

    @property
    def _name(self) -> str:
        root = "HKCU" if self._root == winreg.HKEY_CURRENT_USER else "HKLM"
        return rf"{root}\{_KEY}"
