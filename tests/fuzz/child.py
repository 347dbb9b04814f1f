"""One target under the fuzzer: ``python -m tests.fuzz.child NAME [libFuzzer's arguments]``.

With files as arguments these are run once each, which shows a finding again.
"""

from __future__ import annotations

import importlib
import sys

import atheris

from tests.fuzz import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    assert name in TARGETS, f"no such target: {name}"
    # Only code that is imported in here tells the fuzzer which ways it has taken.
    with atheris.instrument_imports(include=["vsocks"]):
        target = importlib.import_module(f"tests.fuzz.{name}")
    atheris.Setup(sys.argv, target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
