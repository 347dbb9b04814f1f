"""Datagrams by SOCKS5's UDP ASSOCIATE, beside Dante's danted."""

from .comparison import CPU_OF_MANY, MEMORY, Comparison
from .load.datagram_workloads import DATAGRAM_WORKLOADS, FLOWS, flow_name, warm_up
from .metrics import Metric, Ratio
from .peer_danted import danted
from .peer_direct import direct
from .peer_vsocks import vsocks
from .through import by_datagrams

_FLOWS = [(flow_name(size, rate), rate) for size, rate in FLOWS.values()]

DATAGRAMS = Comparison(
    title="Datagrams by the same two daemons, and by danted alone",
    through=by_datagrams,
    peers={"direct": direct(by_datagrams), "danted": danted, "vsocks": vsocks(by_datagrams)},
    warm_up=warm_up,
    workloads=DATAGRAM_WORKLOADS,
    metrics=(
        Metric("round trips", "/s", at_least=0.5),
        Metric("round trip p50", "ms"),
        Metric("round trip p99", "ms"),
        *(
            Metric(f"{what}: {name}", unit)
            for name, rate in _FLOWS
            # A rate that was asked for was offered, too.
            for what, unit in (("offered", "/s"), ("delivered", "/s"), ("lost", "%"))
            if not (rate and what == "offered")
        ),
        Metric("CPU round trips", CPU_OF_MANY, cpu_of="round trips"),
        *(
            Metric(f"CPU {name}", CPU_OF_MANY, cpu_of=f"delivered: {name}")
            for name, rate in _FLOWS
            if rate
        ),
        Metric(MEMORY, "MB"),
    ),
    ratios=(Ratio("vsocks", "danted"),),
)
