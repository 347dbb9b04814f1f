"""`python -m tests.bench`: compare, print the tables, write them down."""

import argparse
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from . import in_vm, on_loopback
from .load.workloads import WORKLOADS
from .machine import Others, describe
from .profile import run_profile
from .report import Part, write_report

ROUNDS = 5
VM_ROUNDS = 3
QUICK_ROUNDS = 2


def main() -> int:
    """The exit status: 0 if every peer did everything, whoever won."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # cleans up on its way
    options = _options()
    workloads = [name for name in WORKLOADS if name in options.only] or list(WORKLOADS)
    if options.profile:
        scale = on_loopback.QUICK if options.quick else on_loopback.FULL
        for name in workloads:
            run_profile(name, WORKLOADS[name], scale, options.output.parent)
        return 0
    parts = []
    if options.loopback and (peers := _chosen(on_loopback.PEERS, options.only)):
        parts.append(_loopback_part(peers, workloads, options))
    if _wants_vm(options) and (peers := _chosen(in_vm.PEERS, options.only)):
        parts.append(_vm_part(peers, workloads, options))
    write_report(parts, describe(), options.output)
    return 1 if any(part.results.failures for part in parts) else 0


def _wants_vm(options: argparse.Namespace) -> bool:
    if options.vm is None and not in_vm.is_image_built():
        print("no virtual machine: its image is not built; --vm builds it")
        return False
    return options.vm is not False


def _loopback_part(
    peers: Sequence[str], workloads: Sequence[str], options: argparse.Namespace
) -> Part:
    scale = on_loopback.QUICK if options.quick else on_loopback.FULL
    others, rounds = Others(), _rounds(options, ROUNDS)
    results = on_loopback.run_on_loopback(
        {name: on_loopback.PEERS[name] for name in peers},
        {name: WORKLOADS[name] for name in workloads},
        scale,
        rounds,
    )
    return Part(
        "Two daemons on one machine, joined by a unix socket",
        results,
        on_loopback.METRICS,
        on_loopback.RATIOS,
        _facts(others, rounds, options),
    )


def _vm_part(peers: Sequence[str], workloads: Sequence[str], options: argparse.Namespace) -> Part:
    scale = in_vm.QUICK if options.quick else in_vm.FULL
    others, rounds = Others(), _rounds(options, VM_ROUNDS)
    results, accelerator = in_vm.run_in_vm(
        {name: in_vm.PEERS[name] for name in peers}, workloads, scale, rounds
    )
    return Part(
        "In a virtual machine, through a virtio-serial port",
        results,
        in_vm.METRICS,
        in_vm.RATIOS,
        {"accelerator": accelerator, **_facts(others, rounds, options)},
    )


def _facts(others: Others, rounds: int, options: argparse.Namespace) -> Mapping[str, str]:
    return {
        "others": f"{others} were busy with something else",
        "rounds": f"{rounds}{' (quick)' if options.quick else ''}",
    }


def _rounds(options: argparse.Namespace, usual: int) -> int:
    return options.repeat or (QUICK_ROUNDS if options.quick else usual)


def _chosen(peers: Iterable[str], only: Sequence[str]) -> list[str]:
    """The peers named by `only`; all of these, if it names none of any part."""
    if not {*on_loopback.PEERS, *in_vm.PEERS}.intersection(only):
        return list(peers)
    return [name for name in peers if name in only]


def _options() -> argparse.Namespace:
    names = list(dict.fromkeys([*on_loopback.PEERS, *in_vm.PEERS, *WORKLOADS]))
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
