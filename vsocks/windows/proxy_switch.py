"""Turning a system proxy on and off in one of the places where Windows keeps one.

The settings from before are saved first and restored in the end; a crash at any point is safe.
"""

from __future__ import annotations

import sys

assert sys.platform == "win32"

from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic

from vsocks.errors import describe
from vsocks.windows.proxy_backup import (
    VALUE,
    AnySettings,
    Backup,
    BackupStore,
    DeniedError,
    ProxyError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Switch(Generic[AnySettings]):
    """One place for proxy settings: what it has, what it had before us, and whether it is ours.

    All methods raise ProxyError if Windows refuses, DeniedError if for want of rights.
    """

    def __init__(
        self,
        name: str,
        root: int,
        kind: type[AnySettings],
        query: Callable[[], AnySettings],
        change: Callable[[AnySettings], None],
        *,
        saved_as: str = VALUE,
    ) -> None:
        self._name = name
        self._store = BackupStore(root, kind, saved_as)
        self._query = query
        self._change = change

    @contextmanager
    def turned_on(self, make: Callable[[AnySettings], AnySettings]) -> Iterator[AnySettings]:
        """Set what ``make`` makes of the settings from before us.

        If the body fails, the settings and the backup are put back.
        """
        with self._telling():
            now, saved = self._query(), self._store.load()
        known = tuple(ours for ours in saved.ours if now.is_by(ours)) if saved else ()
        before = saved.before if saved and known else now
        ours = make(before)
        try:
            with self._telling():
                self._store.save(Backup(before, (*known, ours)))
                self._set(ours)
                self._store.save(Backup(before, (ours,)))
            yield ours
        except ProxyError as error:
            self._put_back(now, saved, error)
            raise type(error)(f"{describe(error)}; {self._name} is as it was") from None

    def _set(self, ours: AnySettings) -> None:
        self._change(ours)
        now = self._query()
        if not now.is_by(ours):
            raise ProxyError(
                f"{self._name}: Windows took the settings but uses others ({now}), "
                "as it does when a group policy forbids them"
            )

    def _put_back(
        self, now: AnySettings, saved: Backup[AnySettings] | None, why: ProxyError
    ) -> None:
        """Undo what was done, if anything."""
        try:
            if self._query() != now:
                self._change(now)
            self._keep(saved)
        except OSError as error:
            problem = f"{self._name} couldn't be put back: {describe(error)}"
            raise ProxyError(f"{describe(why)}; {problem}") from None

    def _keep(self, saved: Backup[AnySettings] | None) -> None:
        if self._store.load() == saved:
            return
        if saved:
            self._store.save(saved)
        else:
            self._store.forget()

    @property
    def has_backup(self) -> bool:
        """Whether settings from before us are saved."""
        with self._telling():
            return self._store.load() is not None

    def turn_off(self) -> tuple[bool, str]:
        """Restore the settings from before us; returns whether nothing is left to do, and a report.

        Settings that somebody else has made since are left alone.
        """
        with self._telling():
            now, saved = self._query(), self._store.load()
            if saved is None:
                return True, f"{self._name}: nothing is saved to be restored; it has {now}"
            # Who may not write what is saved finds out before anything is changed.
            self._store.save(saved)
            if any(now.is_by(ours) for ours in saved.ours):
                self._change(saved.before)
            elif now != saved.before:
                return False, (
                    f"{self._name}: left alone, for somebody has changed it since: it has {now}; "
                    f"before us it had {saved.before}"
                )
            # The other case: a crash came between saving and setting, or restoring and forgetting.
            self._store.forget()
        return True, f"{self._name}: restored; it has {saved.before}"

    def describe(self) -> tuple[bool, str]:
        """Whether the settings are ours, and a line that says what they are."""
        with self._telling():
            now, saved = self._query(), self._store.load()
        if saved is None:
            return False, f"{self._name}: {now}; not set by vsocks"
        if any(now.is_by(ours) for ours in saved.ours):
            return True, f"{self._name}: {now}; set by vsocks, off restores {saved.before}"
        return False, f"{self._name}: {now}; not set by vsocks any more, before: {saved.before}"

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn errors of Windows into errors for people."""
        try:
            yield
        except PermissionError as error:
            raise DeniedError(f"{self._name}: {describe(error)}") from None
        except OSError as error:
            raise ProxyError(f"{self._name}: {describe(error)} ({error.winerror})") from None
