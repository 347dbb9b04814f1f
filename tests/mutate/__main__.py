"""Spoil modules of vsocks/ at random, and name the changes that no quick test notices.

A change is noticed if the unit or the one-process tests fail with it: those of the module's own
folder first, then all unit tests. Not every change that goes unnoticed is a hole: a buffer may be
a byte longer, a line of the log be left out.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutate.changes import Change, changes

REPOSITORY = Path(__file__).parents[2]
#: Seconds for one run of tests; a change may make an endless loop.
LONGEST = 300
#: Characters of the output of tests that fail without any change.
SHOWN = 3000
NOT_OF_THE_CODE = ("tests/unit/project", "tests/unit/harness")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__)
    parser.add_argument("modules", nargs="*", type=Path, help="files (default: all of vsocks/)")
    parser.add_argument("--sample", type=int, default=20, help="changes to try (default: 20)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    files = [file.resolve().relative_to(REPOSITORY) for file in options.modules] or [
        file.relative_to(REPOSITORY) for file in sorted(REPOSITORY.glob("vsocks/**/*.py"))
    ]
    everything = [
        (file, change) for file in files for change in changes((REPOSITORY / file).read_bytes())
    ]
    chance = random.Random(options.seed)
    chosen = chance.sample(everything, min(options.sample, len(everything)))
    print(f"{len(chosen)} of {len(everything)} changes, --seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="vsocks-mutate-") as folder:
        copy_tree(Path(folder))
        if said := failure(Path(folder), "tests/unit", "tests/one_process"):
            sys.exit(f"{said}\nthe unit and the one-process tests fail without any change")
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        noticed = sum(workers.map(lambda each: is_noticed(*each), chosen))
    print(f"noticed: {noticed} of {len(chosen)}")
    return 0


def is_noticed(file: Path, change: Change) -> bool:
    """Try one change in a copy of the tree; one that nothing notices is printed."""
    source = (REPOSITORY / file).read_bytes()
    with tempfile.TemporaryDirectory(prefix="vsocks-mutate-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        (tree / file).write_bytes(change.applied(source))
        noticed = failure(tree, *own_tests(tree, file)) or failure(tree, "tests/unit")
    if not noticed:
        print(f"unnoticed: {file}:{change.shown(source)}", flush=True)
    return bool(noticed)


def copy_tree(tree: Path) -> None:
    """What the tests need, and no more."""
    for name in ("vsocks", "tests", "harness", "vm", "docs"):
        shutil.copytree(
            REPOSITORY / name,
            tree / name,
            ignore=shutil.ignore_patterns("__pycache__", "artifacts"),
        )
    for file in REPOSITORY.iterdir():
        if file.is_file():
            shutil.copy(file, tree)


def own_tests(tree: Path, file: Path) -> list[str]:
    """The folders of tests that bear the name of the module's folder, or those of the top."""
    folder = file.parent.name if len(file.parts) > 2 else ""
    found = [f"tests/{tier}/{folder}" for tier in ("unit", "one_process")]
    return [name for name in found if folder and (tree / name).is_dir()]


def failure(tree: Path, *tests: str) -> str:
    """The end of what a run of those tests says if it fails, or that it doesn't end; else ""."""
    if not tests:
        return ""
    command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", *tests]
    command += [f"--ignore={name}" for name in NOT_OF_THE_CODE]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not within {LONGEST} s"
    return done.stdout[-SHOWN:] if done.returncode else ""


if __name__ == "__main__":
    raise SystemExit(main())
