"""What is compiled for a guest: Python takes it, and asks no source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.bytecode import compiled_zip

pytestmark = pytest.mark.unit

PROGRAM = """
import traceback
try:
    import {}
except ValueError:
    traceback.print_exc()
"""


def test_python_runs_what_was_compiled_and_shows_the_source(tmp_path: Path) -> None:
    path = tmp_path / "program.zip"
    source = b"print('compiled', __file__)\nif True: raise ValueError"
    path.write_bytes(compiled_zip({"sub/__init__.py": b"", "sub/module.py": source}, str(path)))
    told = run(path)
    assert told.stdout == f"compiled {path}/sub/module.pyc\n"
    assert f'File "{path}/sub/module.py", line 2, in <module>' in told.stderr
    assert "if True: raise ValueError" in told.stderr


def test_another_python_takes_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.bytecode.MAGIC_NUMBER", b"no\r\n")
    path = tmp_path / "program.zip"
    path.write_bytes(compiled_zip({"module.py": b"print(__file__)"}, str(path)))
    assert run(path, "module").stdout == f"{path}/module.py\n"


def run(path: Path, module: str = "sub.module") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module)],
        env={"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
