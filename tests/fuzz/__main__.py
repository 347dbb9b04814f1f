"""Run the targets in turn, each in a process and for a time of its own.

What is learnt stays in .cache/fuzz/NAME/corpus, so the next run goes on from there. A finding
is left in .cache/fuzz/NAME as a file that makes it happen again; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz import TARGETS

REPOSITORY = Path(__file__).parents[2]
CACHE = REPOSITORY / ".cache" / "fuzz"
#: Seconds that a target may take beyond its time: to start, and to replay its corpus.
GRACE = 120
LONGEST_INPUT = 4096


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=40, help="for each target (default: 40)")
    parser.add_argument("--only", choices=TARGETS, metavar="NAME", help=", ".join(TARGETS))
    options = parser.parse_args()
    targets = [options.only] if options.only else TARGETS
    findings = [name for name in targets if not fuzz(name, options.seconds)]
    return 1 if findings else 0


def fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target and print how it went; returns whether it held."""
    folder = CACHE / name
    corpus = plant(name, folder)
    before = set(folder.iterdir())
    started = time.monotonic()
    output, status = run(name, folder, corpus, seconds)
    took = time.monotonic() - started
    counted = re.search(r"stat::number_of_executed_units: +(\d+)", output)
    # Without the statistics the process did not even begin, or did not end by itself.
    runs = int(counted[1]) if counted else 0
    held = status == 0 and runs > 0
    print(f"{name:18} {runs:9} runs in {took:4.0f} s: {'held' if held else 'FAILED'}", flush=True)
    if not held:
        print(output[-6000:])
        for path in sorted(set(folder.iterdir()) - before):
            print(f"again with: {sys.executable} -m tests.fuzz.child {name} {path}", flush=True)
    return held


def plant(name: str, folder: Path) -> Path:
    """The corpus of a target, with its seeds in it."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(importlib.import_module(f"tests.fuzz.{name}").SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    return corpus


def run(name: str, folder: Path, corpus: Path, seconds: int) -> tuple[str, int]:
    """Run the fuzzer on one target; returns what it printed, and its exit status."""
    command = [sys.executable, "-m", "tests.fuzz.child", name]
    command += [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/", "-timeout=10"]
    command += [f"-max_len={LONGEST_INPUT}", "-rss_limit_mb=1024", "-print_final_stats=1"]
    command += ["-verbosity=0", str(corpus)]
    try:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds + GRACE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        printed = error.stdout or b""
        return f"{printed!r}\nkilled: it took {GRACE} s more than it was given", -1
    return done.stdout, done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
