"""A comparison of peers on this machine: every peer in turn, under the same workloads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic

from .load.figures import Figures, Scale, Workload
from .metrics import Metric, Ratio
from .peer import Peer, R, Targets, Through
from .rounds import Results, run_rounds
from .scratch import scratch_directory
from .targets import serving_targets
from .usage import cpu_seconds, peak_megabytes

FULL = Scale(size=1_000_000_000, seconds=1.5)
QUICK = Scale(size=250_000_000, seconds=0.5)
WARM_UP = Scale(size=30_000_000, seconds=0.1)
SMOKE = Scale(size=1_000_000, seconds=0.02)
"""So little that nothing is measured, only that everything runs."""

CPU_OF_BULK = "s/GB"
CPU_OF_MANY = "s/1000"
MEMORY = "memory"


@dataclass(frozen=True)
class Comparison(Generic[R]):
    """Which peers, what is measured of them, and what the table says."""

    title: str
    through: Through[R]
    """How the workloads get through a proxy."""
    peers: Mapping[str, Peer[R]]
    warm_up: Callable[[R, Scale], None]
    workloads: Mapping[str, Workload[R]]
    metrics: Sequence[Metric]
    ratios: Sequence[Ratio]

    def run(
        self,
        peers: Sequence[str],
        workloads: Sequence[str],
        scale: Scale,
        count: int,
        warm_up: Scale = WARM_UP,
    ) -> Results:
        """`count` rounds of these peers under these workloads."""
        with serving_targets() as targets:
            runners = {
                name: partial(self._run_round, self.peers[name], targets, workloads, scale, warm_up)
                for name in peers
            }
            return run_rounds(runners, count)

    def _run_round(
        self,
        peer: Peer[R],
        targets: Targets,
        workloads: Sequence[str],
        scale: Scale,
        warm_up: Scale,
        figures: Figures,
    ) -> None:
        with scratch_directory() as directory, peer(targets, directory) as way:
            pids = [daemon.pid for daemon in way.daemons]
            self.warm_up(way.routes, warm_up)
            for name in workloads:
                print(f" {name}", end="", flush=True)
                before = cpu_seconds(pids)
                result = self.workloads[name](way.routes, scale)
                figures |= result
                if pids:
                    figures |= self._cpu(result, scale, cpu_seconds(pids) - before)
            if pids and not way.forks:
                figures[MEMORY] = peak_megabytes(pids)

    def _cpu(self, result: Figures, scale: Scale, seconds: float) -> Figures:
        """What the daemons' processor time was for as much as the table wants to know."""
        return {
            metric.name: seconds / _amount(metric, result, scale)
            for metric in self.metrics
            if metric.cpu_of in result
        }


def _amount(metric: Metric, result: Figures, scale: Scale) -> float:
    """How many GB, or how many thousands, have passed."""
    if metric.unit == CPU_OF_BULK:
        return scale.size / 1e9
    return result[metric.cpu_of] * scale.seconds / 1e3
