"""No port at all: the load against a target in the guest, the limit that the guest itself sets."""

from collections.abc import Iterator
from contextlib import contextmanager

from .load.figures import Figures, Scale
from .load.workloads import BULK, VISITS
from .vm_site import FOLDER, PATIENCE, Measure, Site, VMPeer


@contextmanager
def _up(site: Site) -> Iterator[Measure]:
    command = f"env PYTHONPATH={FOLDER} python3 -m load.target"
    target = site.guest.start("target", command)
    try:
        said = target.log.wait("listening on", timeout=PATIENCE).text
        door = ("127.0.0.1", int(said.rpartition(":")[2]))

        def measure(workload: str, scale: Scale) -> Figures:
            return site.run_load(workload, scale, door)

        yield measure
    finally:
        target.kill()


# Nothing beside a download: that takes all there is of one target in a guest with one processor.
direct = VMPeer(_up, (*BULK, *VISITS, "echo"))
