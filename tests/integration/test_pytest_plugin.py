"""The pytest plugin where no machine boots: what it loads, and what it says of wrong use."""

from __future__ import annotations

import pytest

from tests.integration.support.plugin_run import project, run

pytestmark = pytest.mark.integration

WITHOUT_PARAMIKO = """
import sys
sys.modules["paramiko"] = None

def test_it(vm): pass
"""
LOADED = """
import sys

def test_nothing_is_loaded_for_others():
    assert not {"paramiko", "qemu", "asyncio"} & set(sys.modules)
"""
TWO = """
def test_first(vm): pass
def test_second(guest): pass
"""


def test_whoever_has_not_installed_what_it_needs_is_told(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, WITHOUT_PARAMIKO)
    ended, told = run(pytester)
    ended.assert_outcomes(errors=1)
    assert "vsocks need paramiko: pip install 'vsocks[harness]'" in told
    assert "Traceback" not in told


def test_tests_that_want_no_machine_pay_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, LOADED)
    ended, told = run(pytester)
    ended.assert_outcomes(passed=1)
    assert "in the VM" not in told


def test_a_missing_program_is_told_with_its_package(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, TWO)
    monkeypatch.setenv("PATH", str(pytester.path))
    ended, told = run(pytester)
    ended.assert_outcomes(errors=2)
    assert "not installed: qemu-system-x86_64" in told
    assert "apt-get install qemu-system-x86" in told
    assert "Error" not in told


def test_a_shell_and_workers_do_not_go_together(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, LOADED)
    ended, told = run(pytester, "-n", "2", "--vm-shell-on-failure")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert "--vm-shell-on-failure needs the terminal for itself: leave out -n" in told
