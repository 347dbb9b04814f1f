"""The pytest plugin where no machine boots: what it loads, and what it says of wrong use."""

from __future__ import annotations

import re

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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--vm-qmp", "q", "-n", "2"), "--vm-qmp gives one machine, .*: leave out -n"),
        (("--vm-domain", "d", "-n", "2"), "--vm-domain gives one machine, .*: leave out -n"),
        (("--vm-qmp", "q", "--vm-domain", "d"), "name two machines: give one of them"),
        (("--vm-qmp", "q", "--keep-vm"), "goes on anyway: leave out --keep-vm"),
        (("--vm-ssh", "root@there"), "a machine that --vm-qmp or --vm-domain names"),
        (("--vm-qmp", "q", "--vm-ssh", "there"), "it has the form USER@HOST"),
        (("--vm-qmp", "q", "--vm-ssh", "a@b", "--vm-ssh-key", "/no"), "--vm-ssh-key names another"),
    ],
)
def test_options_for_another_s_machine_that_make_no_sense(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    says: str,
) -> None:
    project(pytester, monkeypatch, LOADED)
    ended, told = run(pytester, *options)
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(says, told), told


def test_a_machine_that_is_not_there_is_told_without_a_traceback(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, TWO)
    ended, told = run(pytester, "--vm-qmp", f"{pytester.path}/nobody")
    ended.assert_outcomes(errors=2)
    assert f"can't speak QMP at {pytester.path}/nobody: No such file" in told
    assert "Traceback" not in told
