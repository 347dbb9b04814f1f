"""Runs a Python module of a folder, as `PYTHONPATH=FOLDER python -m MODULE` does elsewhere.

python run_module.py FOLDER MODULE [ARGUMENT]…
"""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    folder, module = sys.argv[1:3]
    sys.path.insert(0, folder)
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
