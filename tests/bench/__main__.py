"""`python -m tests.bench`: run the comparison, print it, write it down."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import machine
from .load.workloads import WORKLOADS, Scale
from .peer import Peer
from .peer_direct import direct
from .peer_socat import socat
from .peer_ssh import ssh
from .peer_vsocks import vsocks
from .profile import run_profile
from .rounds import run_rounds
from .table import as_json, markdown

PEERS: dict[str, Peer] = {"direct": direct, "socat": socat, "ssh": ssh, "vsocks": vsocks}

FULL = Scale(size=1_000_000_000, seconds=1.5)
QUICK = Scale(size=250_000_000, seconds=0.5)

ROUNDS = 5
QUICK_ROUNDS = 2


def main() -> int:
    """The exit status: 0 if every peer did everything, whoever won."""
    options = _options()
    scale = QUICK if options.quick else FULL
    peers = {name: PEERS[name] for name in _chosen(PEERS, options.only)}
    workloads = {name: WORKLOADS[name] for name in _chosen(WORKLOADS, options.only)}
    output: Path = options.output
    if options.profile:
        for name, workload in workloads.items():
            run_profile(name, workload, scale, output.parent)
        return 0
    others = machine.Others()
    rounds = options.repeat or (QUICK_ROUNDS if options.quick else ROUNDS)
    results = run_rounds(peers, workloads, scale, rounds)
    facts = {
        **machine.describe(),
        "others": f"{others} were busy with something else",
        "rounds": f"{rounds}{' (quick)' if options.quick else ''}",
    }
    table = markdown(results, facts)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".md").write_text(table)
    output.with_suffix(".json").write_text(as_json(results, facts))
    print(f"\n{table}\nwritten to {output.with_suffix('.md')} and {output.with_suffix('.json')}")
    return 1 if results.failures else 0


def _chosen(names: Iterable[str], only: Sequence[str]) -> list[str]:
    """Those named by `only`; all, if it names none of these."""
    return [name for name in names if name in only] or list(names)


def _options() -> argparse.Namespace:
    names = [*PEERS, *WORKLOADS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer bytes and rounds, more noise")
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        default=[],
        metavar="NAME",
        help=f"a peer or a workload; can be repeated; any of {', '.join(names)}",
    )
    parser.add_argument("--repeat", type=int, metavar="N", help=f"rounds (default {ROUNDS})")
    parser.add_argument(
        "--output", type=Path, default=Path("dist/bench"), metavar="PATH", help="less the suffix"
    )
    parser.add_argument(
        "--profile", action="store_true", help="vsocks alone, under cProfile; choose with --only"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
