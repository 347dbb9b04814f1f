"""A service of a test's own."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator

import pytest

assert sys.platform == "win32"

from vsocks.cli import service, service_setup
from vsocks.windows import manager
from vsocks.windows.manager import ServiceError, State

numbers = itertools.count(1)


@contextlib.contextmanager
def service_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Its name, the program's too: one that was removed may linger."""
    name = f"vsocks-test-{os.getpid()}-{next(numbers)}"
    monkeypatch.setattr(service, "NAME", name)
    monkeypatch.setattr(service_setup, "_TITLE", name)
    try:
        yield name
    finally:
        with contextlib.suppress(ServiceError):
            manager.stop(name)
            manager.wait_for(name, State.STOPPED, 10)
            manager.uninstall(name)
