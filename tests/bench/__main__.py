"""`python -m tests.bench`: compare, print the tables, write them down."""

import argparse
import signal
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from . import in_vm, on_loopback
from .comparison import FULL, QUICK, SMOKE
from .load.figures import Scale
from .load.workloads import WORKLOADS
from .machine import Others, describe
from .peer_yamux import lacks_yamux
from .profile import run_profile
from .report import Part, write_report

ROUNDS = 5
VM_ROUNDS = 3
QUICK_ROUNDS = 2

_PEERS = dict.fromkeys(
    name
    for peers in [*(each.peers for each in on_loopback.COMPARISONS), in_vm.PEERS]
    for name in peers
)
_WORKLOADS = [name for each in on_loopback.COMPARISONS for name in each.workloads]


def main() -> int:
    """The exit status: 0 if every peer did everything, whoever won."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # cleans up on its way
    options = _options()
    if options.profile:
        _profile(options)
        return 0
    if why := lacks_yamux():
        print(f"without yamux: {why}")
    if options.smoke:
        return _smoke(options)
    parts = [*_loopback_parts(options), *_vm_parts(options)]
    write_report(parts, describe(), options.output)
    return 1 if any(part.results.failures for part in parts) else 0


def _profile(options: argparse.Namespace) -> None:
    for comparison in on_loopback.COMPARISONS:
        for name in _chosen(comparison.workloads, options.only, _WORKLOADS):
            run_profile(name, comparison, _scale(options), options.output.parent)


def _smoke(options: argparse.Namespace) -> int:
    """Run everything on loopback once; there are no figures, only the exit status."""
    failures = []
    for comparison in on_loopback.COMPARISONS:
        peers = _chosen(comparison.peers, options.only, _PEERS)
        workloads = _chosen(comparison.workloads, options.only, _WORKLOADS)
        results = comparison.run(peers, workloads, SMOKE, 1, warm_up=SMOKE)
        failures += [f"FAILED {comparison.title}: {failure}" for failure in results.failures]
    print(*failures or ["everything runs; so short a run has no figures"], sep="\n")
    return 1 if failures else 0


def _wants_vm(options: argparse.Namespace) -> bool:
    if options.vm is None and not in_vm.is_image_built():
        print("no virtual machine: its image is not built; --vm builds it")
        return False
    return options.vm is not False


def _loopback_parts(options: argparse.Namespace) -> Iterator[Part]:
    for comparison in on_loopback.COMPARISONS if options.loopback else ():
        peers = _chosen(comparison.peers, options.only, _PEERS)
        workloads = _chosen(comparison.workloads, options.only, _WORKLOADS)
        if peers and workloads:
            others, rounds = Others(), _rounds(options, ROUNDS)
            results = comparison.run(peers, workloads, _scale(options), rounds)
            facts = _facts(others, rounds, options)
            yield Part(comparison.title, results, comparison.metrics, comparison.ratios, facts)


def _vm_parts(options: argparse.Namespace) -> Iterator[Part]:
    peers = _chosen(in_vm.PEERS, options.only, _PEERS)
    workloads = _chosen(WORKLOADS, options.only, _WORKLOADS)
    if not (peers and workloads and _wants_vm(options)):
        return
    scale = in_vm.QUICK if options.quick else in_vm.FULL
    others, rounds = Others(), _rounds(options, VM_ROUNDS)
    results, accelerator = in_vm.run_in_vm(
        {name: in_vm.PEERS[name] for name in peers}, workloads, scale, rounds
    )
    facts = {"accelerator": accelerator, **_facts(others, rounds, options)}
    title = "In a virtual machine, through a virtio-serial port"
    yield Part(title, results, in_vm.METRICS, in_vm.RATIOS, facts)


def _scale(options: argparse.Namespace) -> Scale:
    return QUICK if options.quick else FULL


def _facts(others: Others, rounds: int, options: argparse.Namespace) -> Mapping[str, str]:
    return {
        "others": f"{others} were busy with something else",
        "rounds": f"{rounds}{' (quick)' if options.quick else ''}",
    }


def _rounds(options: argparse.Namespace, usual: int) -> int:
    return options.repeat or (QUICK_ROUNDS if options.quick else usual)


def _chosen(names: Iterable[str], only: Sequence[str], kind: Collection[str]) -> list[str]:
    """Those named by `only`; all of these, if it names none of their kind at all."""
    if not set(kind).intersection(only):
        return list(names)
    return [name for name in names if name in only]


def _options() -> argparse.Namespace:
    names = [*_PEERS, *_WORKLOADS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer bytes and rounds, more noise")
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="only whether everything on this machine runs, in seconds; no figures, no VM",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=names,
        default=[],
        metavar="NAME",
        help=f"a peer or a workload; can be repeated; any of {', '.join(names)}",
    )
    parser.add_argument(
        "--repeat", type=int, metavar="N", help=f"rounds (default {ROUNDS}, in the VM {VM_ROUNDS})"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("dist/bench"), metavar="PATH", help="less the suffix"
    )
    parser.add_argument(
        "--loopback",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the two daemons on this machine",
    )
    parser.add_argument(
        "--vm",
        action=argparse.BooleanOptionalAction,
        help="in a virtual machine, too; by default if its image is built already",
    )
    parser.add_argument(
        "--profile", action="store_true", help="vsocks alone, under cProfile; choose with --only"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
