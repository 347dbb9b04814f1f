"""A pytest with the harness's plugin, run on tests that are written down in a test."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.places import ROOT

CONFTEST = "pytest_plugins = ['harness.testing.plugin']\n"
OPTIONS = ("-p", "no:vsocks", "-p", "no:cacheprovider")
"""As in pyproject.toml: the plugin is that of this repository."""


def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tests: str) -> None:
    """Write the tests down, where a pytest that is started finds the plugin."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(tests)


def run(pytester: pytest.Pytester, *arguments: str) -> tuple[pytest.RunResult, str]:
    """Run them in a process of its own; its result, and all that it printed."""
    ended = pytester.runpytest_subprocess(*OPTIONS, *arguments)
    return ended, _text(ended.outlines) + _text(ended.errlines)


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
