"""vsocks in a VM: the daemon from source or the Windows program there, the host daemon here."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.process import host_daemon
from harness.wine_guest import WineGuest

from .load.figures import Figures, Scale
from .load.workloads import WORKLOADS
from .vm_site import PATIENCE, Measure, Site, VMPeer

DOOR = ("127.0.0.1", 1080)
WARM_UP = Scale(size=5_000_000, seconds=0.2)


@contextmanager
def _up(site: Site) -> Iterator[Measure]:
    site.guest.deploy()
    daemon = site.guest.start_daemon("--listen", f"{DOOR[0]}:{DOOR[1]}")
    daemon.log.wait("listening on", timeout=PATIENCE)
    with host_daemon(site.vm.socket(), "--allow", "127.0.0.0/8", folder=site.directory) as host:
        host.log.wait("session up", timeout=PATIENCE)
        daemon.log.wait("session up", timeout=PATIENCE)

        def measure(workload: str, scale: Scale) -> Figures:
            return site.run_load(workload, scale, DOOR, targets=site.targets)

        for workload in ("down1", "up1", "conn1"):
            measure(workload, WARM_UP)
        yield measure


vsocks = VMPeer(_up, tuple(WORKLOADS))
exe = VMPeer(_up, tuple(WORKLOADS), WineGuest)
