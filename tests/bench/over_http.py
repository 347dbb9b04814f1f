"""Requests to an HTTP proxy, beside tinyproxy: passed on (pages, a download) and by CONNECT."""

from .comparison import CPU_OF_BULK, CPU_OF_MANY, MEMORY, Comparison
from .load.http_workloads import HTTP_WORKLOADS, warm_up
from .metrics import Metric, Ratio
from .peer_direct import direct
from .peer_tinyproxy import tinyproxy
from .peer_vsocks import vsocks
from .through import by_http

HTTP = Comparison(
    title="HTTP requests by the same two daemons, and by tinyproxy alone",
    through=by_http,
    peers={"direct": direct(by_http), "tinyproxy": tinyproxy, "vsocks": vsocks(by_http)},
    warm_up=warm_up,
    workloads=HTTP_WORKLOADS,
    metrics=(
        Metric("pages 1", "/s", at_least=0.5),
        Metric("pages 16", "/s", at_least=0.5),
        Metric("tunnels 1", "/s", at_least=0.7),
        Metric("tunnels 16", "/s", at_least=0.7),
        Metric("download", "MB/s"),
        Metric("CPU pages 1", CPU_OF_MANY, cpu_of="pages 1"),
        Metric("CPU pages 16", CPU_OF_MANY, cpu_of="pages 16"),
        Metric("CPU tunnels 1", CPU_OF_MANY, cpu_of="tunnels 1"),
        Metric("CPU tunnels 16", CPU_OF_MANY, cpu_of="tunnels 16"),
        Metric("CPU download", CPU_OF_BULK, cpu_of="download"),
        Metric(MEMORY, "MB"),
    ),
    ratios=(Ratio("vsocks", "tinyproxy"),),
)
