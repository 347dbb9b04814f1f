"""After the first machine that did not boot, no further one is tried."""

from __future__ import annotations

import pytest


class BootGate:
    """Around every boot: the first failure is told, what comes after it is skipped."""

    def __init__(self) -> None:
        self.failure = ""

    def __enter__(self) -> None:
        if self.failure:
            pytest.skip(f"no machine: an earlier one did not boot ({self.failure})")

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error:
            self.failure = f"{type(error).__name__}: {error}".splitlines()[0]
