"""Settings of the unit tests. On Windows, what is for Linux only is skipped with its reason."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is no matter of its test: other programs may keep the machine busy.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

HERE = Path(__file__).parent
LINUX_ONLY = {
    HERE / "harness": "the harness, which starts virtual machines, runs on Linux only",
    HERE / "channel/test_spec_on_linux.py": "only Linux has these sockets, ttys and devices",
    HERE / "project/test_workflows.py": "the workflows are the same everywhere, and read on Linux",
}
"""Folders and files whose modules are not even imported elsewhere."""


class Skipped(pytest.Module):
    """A module of tests that is not imported, and counts as skipped."""

    reason = ""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        pytest.skip(self.reason, allow_module_level=True)


if sys.platform == "win32":

    def pytest_pycollect_makemodule(
        module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        for path, reason in LINUX_ONLY.items():
            if module_path.is_relative_to(path):
                module: Skipped = Skipped.from_parent(parent, path=module_path)
                module.reason = reason
                return module
        return None
