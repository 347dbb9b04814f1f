"""Tests of what there is on Windows only. They run on Windows, and on Linux inside Wine.

On Linux nothing is collected here: the integration tests run this folder under a Windows Python.
"""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.platform == "win32" else ["test_*.py"]
