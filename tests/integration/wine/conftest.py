"""The Windows program in Wine on this machine, with no VM."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.exe import guest_exe, guest_folder
from harness.exe.wine import Wine, private_wine, wine


@pytest.fixture(scope="session")
def shared_wine(pytestconfig: pytest.Config) -> Iterator[Wine]:
    """A prefix for programs that change nothing in it; its services run for the whole session."""
    if not shutil.which("wine"):
        pytest.skip("there is no wine on this machine (package wine64)")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        here = wine()
    with here.services():
        yield here


@pytest.fixture
def own_wine(shared_wine: Wine, tmp_path: Path) -> Iterator[Wine]:
    """A prefix of the test's own, which may be changed."""
    own = private_wine(tmp_path / "wine")
    try:
        with own.services():
            yield own
    finally:
        own.stop()
        shutil.rmtree(own.prefix)


@pytest.fixture(scope="session")
def folder_form(shared_wine: Wine, pytestconfig: pytest.Config) -> Path:
    """The program that lies in a folder with its libraries."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        return guest_folder() / "vsocks-guest.exe"


@pytest.fixture(scope="session")
def file_form(folder_form: Path) -> Path:
    """The program that is one file. Built together with the other."""
    return guest_exe()
