"""The comparison of both daemons on this machine, joined by a unix socket."""

from collections.abc import Mapping
from functools import partial

from .load.workloads import BULK, VISITS, Figures, Scale, Workload, warm_up
from .metrics import Metric, Ratio
from .peer import Peer, Targets
from .peer_direct import direct
from .peer_socat import socat
from .peer_ssh import ssh
from .peer_vsocks import vsocks
from .rounds import Results, run_rounds
from .scratch import scratch_directory
from .targets import serving_targets
from .usage import cpu_seconds, peak_megabytes

PEERS: dict[str, Peer] = {"direct": direct, "socat": socat, "ssh": ssh, "vsocks": vsocks}

FULL = Scale(size=1_000_000_000, seconds=1.5)
QUICK = Scale(size=250_000_000, seconds=0.5)
WARM_UP = Scale(size=30_000_000, seconds=0.1)

METRICS = (
    Metric("down 1", "MB/s", at_least=2),
    Metric("up 1", "MB/s", at_least=2),
    Metric("down 16", "MB/s", at_least=2),
    Metric("connections 1", "/s", at_least=1),
    Metric("connections 16", "/s", at_least=1),
    Metric("echo idle p50", "ms"),
    Metric("echo idle p99", "ms"),
    Metric("echo + bulk p50", "ms", at_most=1),
    Metric("echo + bulk p99", "ms", at_most=1),
    Metric("bulk beside echo", "MB/s"),
    Metric("connect + bulk p50", "ms"),
    Metric("connect + bulk p99", "ms"),
    Metric("CPU down 1", "s/GB"),
    Metric("CPU up 1", "s/GB"),
    Metric("CPU down 16", "s/GB"),
    Metric("CPU connections 1", "s/1000"),
    Metric("CPU connections 16", "s/1000"),
    Metric("memory", "MB"),
)
RATIOS = (Ratio("vsocks", "ssh"),)


def run_on_loopback(
    peers: Mapping[str, Peer], workloads: Mapping[str, Workload], scale: Scale, count: int
) -> Results:
    with serving_targets() as targets:
        runners = {
            name: partial(_run_round, peer, targets, workloads, scale)
            for name, peer in peers.items()
        }
        return run_rounds(runners, count)


def _run_round(
    peer: Peer,
    targets: Targets,
    workloads: Mapping[str, Workload],
    scale: Scale,
    figures: Figures,
) -> None:
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
