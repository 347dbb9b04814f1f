"""Running commands as a user without privileges, whoever runs the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def unprivileged() -> tuple[str, ...]:
    """What a command runs under so that the rights of files hold for it: as nobody, for root.

    Skips the test where that user can't run this Python.
    """
    if os.geteuid():
        return ()
    nobody = pwd.getpwnam("nobody")
    prefix = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    tried = [*prefix, sys.executable, "-c", "import vsocks.cli.main"]
    if subprocess.run(tried, check=False, capture_output=True).returncode:
        pytest.skip("another user can't run this Python")
    return prefix


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that all users can use, unlike tmp_path, and with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="vsocks-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
