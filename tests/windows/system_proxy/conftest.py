"""On Windows, fixtures for these tests; on Linux nothing is collected here, as above."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from tests.windows.system_proxy.fixtures import as_before, documented, either_wininet

    __all__ = ["as_before", "documented", "either_wininet"]
    collect_ignore_glob: list[str] = []
else:
    collect_ignore_glob = ["test_*.py"]
