"""Connections by SOCKS5, beside OpenSSH's -D, Go's yamux, a plain relay and nothing at all."""

from .comparison import CPU_OF_BULK, CPU_OF_MANY, MEMORY, Comparison
from .load.workloads import WORKLOADS, warm_up
from .metrics import Metric, Ratio
from .peer_direct import direct
from .peer_socat import socat
from .peer_ssh import ssh
from .peer_vsocks import vsocks
from .peer_yamux import lacks_yamux, yamux
from .through import by_socks

CONNECTIONS = Comparison(
    title="Two daemons on one machine, joined by a unix socket",
    through=by_socks,
    peers={
        "direct": direct(by_socks),
        "socat": socat,
        "ssh": ssh,
        **({} if lacks_yamux() else {"yamux": yamux}),
        "vsocks": vsocks(by_socks),
    },
    warm_up=warm_up,
    workloads=WORKLOADS,
    metrics=(
        Metric("down 1", "MB/s", at_least=1.4),
        Metric("up 1", "MB/s", at_least=1.4),
        Metric("down 16", "MB/s", at_least=2),
        Metric("connections 1", "/s", at_least=0.9),
        Metric("connections 16", "/s", at_least=1.1),
        Metric("echo idle p50", "ms", at_most=1.3),
        Metric("echo idle p99", "ms"),
        Metric("echo + bulk p50", "ms", at_most=1.1),
        Metric("echo + bulk p99", "ms", at_most=1.2),
        Metric("bulk beside echo", "MB/s"),
        Metric("connect + bulk p50", "ms", at_most=1.2),
        Metric("connect + bulk p99", "ms"),
        Metric("CPU down 1", CPU_OF_BULK, cpu_of="down 1"),
        Metric("CPU up 1", CPU_OF_BULK, cpu_of="up 1"),
        Metric("CPU down 16", CPU_OF_BULK, cpu_of="down 16"),
        Metric("CPU connections 1", CPU_OF_MANY, cpu_of="connections 1"),
        Metric("CPU connections 16", CPU_OF_MANY, cpu_of="connections 16"),
        Metric(MEMORY, "MB"),
    ),
    ratios=(Ratio("vsocks", "ssh"), *(() if lacks_yamux() else (Ratio("vsocks", "yamux"),))),
)
