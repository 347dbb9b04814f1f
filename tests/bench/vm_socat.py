"""socat on both sides of the port: the same load as vsocks has, but one connection and no more.

A port carries one connection of socat's at a time, so a new pair of them is started for each.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.process import HostProcess

from .load.figures import Figures, Scale
from .load.workloads import BULK
from .vm_site import Measure, Site, VMPeer

DOOR = ("127.0.0.1", 1081)
SOCAT = ("socat", "-b", "65536")


@contextmanager
def _up(site: Site) -> Iterator[Measure]:
    def measure(workload: str, scale: Scale) -> Figures:
        host, port = site.targets.bulk if workload in BULK else site.targets.small
        far = [*SOCAT, f"UNIX-CONNECT:{site.vm.socket()}", f"TCP:{host}:{port},nodelay"]
        door = f"TCP-LISTEN:{DOOR[1]},bind={DOOR[0]},reuseaddr,nodelay"
        near = site.guest.start("socat", f"{' '.join(SOCAT)} {door} OPEN:{site.device}")
        try:
            site.guest.wait_for_open_port(DOOR[1])
            with HostProcess(f"socat-{workload}", far, site.directory):
                return site.run_load(workload, scale, DOOR)
        finally:
            near.kill()

    yield measure


socat = VMPeer(_up, ("down1", "up1", "echo"))
