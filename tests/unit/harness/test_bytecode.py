"""What is compiled for a guest: Python takes it, and asks no source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.bytecode import compiled

pytestmark = pytest.mark.unit


def test_python_runs_what_was_compiled_and_not_the_source(tmp_path: Path) -> None:
    made = compiled({"sub/module.py": b"print('compiled', __file__)"}, str(tmp_path))
    [(name, content)] = made.items()
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    (tmp_path / "sub" / "module.py").write_text("print('from the source')")
    told = subprocess.run(
        [sys.executable, "-c", "import sub.module"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told == f"compiled {tmp_path}/sub/module.py\n"
