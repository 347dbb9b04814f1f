"""Rounds: every peer in turn, again and again, so that a slow minute of the machine hits all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from .child import ChildError
from .load.workloads import BULK, VISITS, Figures, Scale, Workload, warm_up
from .peer import Peer, Targets
from .scratch import scratch_directory
from .targets import serving_targets
from .usage import cpu_seconds, peak_megabytes

WARM_UP = Scale(size=30_000_000, seconds=0.1)

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
        pids = [daemon.pid for daemon in way.daemons]
        warm_up(way.routes, WARM_UP)
        for name, workload in workloads.items():
            print(f" {name}", end="", flush=True)
            before = cpu_seconds(pids)
            result = workload(way.routes, scale)
            figures |= result
            if pids:
                figures |= _cpu(name, result, scale, cpu_seconds(pids) - before)
        if pids and not way.forks:
            figures["memory"] = peak_megabytes(pids)


def _cpu(name: str, result: Figures, scale: Scale, seconds: float) -> Figures:
    """What the daemons' processor time was for each GB, or for a thousand connections."""
    if name in BULK:
        [metric] = result
        return {f"CPU {metric}": seconds / (scale.size / 1e9)}
    if name in VISITS:
        [(metric, rate)] = result.items()
        return {f"CPU {metric}": seconds / (rate * scale.seconds / 1e3)}
    return {}
