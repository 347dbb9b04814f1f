"""Rounds: every peer in turn, again and again, so that a slow minute of the machine hits all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from .child import ChildError
from .peer import Peer, Targets
from .scratch import scratch_directory
from .targets import serving_targets
from .usage import peak_megabytes
from .workloads import Figures, Scale, Workload, warm_up

FAILURES = (OSError, AssertionError, ChildError, psutil.Error)
"""What a peer at fault raises here; anything else is our own error."""


@dataclass(slots=True)
class Results:
    """What came out, and what went wrong."""

    figures: dict[str, list[Figures]]
    """For each peer, the figures of each round."""
    failures: list[str] = field(default_factory=list)


def run_rounds(
    peers: Mapping[str, Peer], workloads: Mapping[str, Workload], scale: Scale, count: int
) -> Results:
    """Run every workload on every peer `count` times. A failure ends that peer's round only."""
    results = Results({name: [] for name in peers})
    with serving_targets() as targets:
        for number in range(1, count + 1):
            for name, peer in peers.items():
                print(f"round {number} of {count}: {name:7}", end="", flush=True)
                figures: Figures = {}
                results.figures[name].append(figures)
                try:
                    _run_round(peer, targets, workloads, scale, figures)
                except FAILURES as error:
                    notes = " ".join(error.__notes__)
                    what = f"{name}, round {number}: {type(error).__name__}: {error} {notes}"
                    results.failures.append(what)
                    print(" FAILED", end="")
                print()
    return results


def _run_round(
    peer: Peer,
    targets: Targets,
    workloads: Mapping[str, Workload],
    scale: Scale,
    figures: Figures,
) -> None:
    """Fill in `figures`, as far as it gets."""
    with scratch_directory() as directory, peer(targets, directory) as way:
        warm_up(way)
        for name, workload in workloads.items():
            print(f" {name}", end="", flush=True)
            figures |= workload(way, scale)
        if way.daemons and not way.forks:
            figures["memory"] = peak_megabytes(daemon.pid for daemon in way.daemons)
