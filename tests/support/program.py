"""A program that a test runs beside it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(command: Sequence[str], **how: Any) -> Iterator[subprocess.Popen[Any]]:
    """It doesn't outlive the block, however that ends; ``how`` is for Popen, which would wait."""
    with subprocess.Popen(command, **how) as program:
        try:
            yield program
        finally:
            program.kill()
