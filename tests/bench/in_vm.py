"""The comparison in a virtual machine, all through the same virtio-serial port.

Each peer gets a machine of its own, from the snapshot: what one leaves in the port would be read by
the next. The load runs in the guest, its targets on the host.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from harness.accel import Choice, choose
from harness.cache import cache_folder, hash_of_tree
from harness.image import RECIPE, Image, debian_image
from harness.warm import warm_vm

from .load.figures import Figures, Scale
from .metrics import Metric, Ratio
from .peer import Targets
from .rounds import Results, run_rounds
from .scratch import scratch_directory
from .targets import serving_targets
from .vm_direct import direct
from .vm_raw import raw
from .vm_site import Site, VMPeer
from .vm_slirp import slirp
from .vm_socat import socat
from .vm_vsocks import exe, vsocks

PEERS: dict[str, VMPeer] = {
    "direct": direct,
    "raw": raw,
    "socat": socat,
    "slirp": slirp,
    "vsocks": vsocks,
    "vsocks.exe": exe,
}

FULL = Scale(size=30_000_000, seconds=2)
QUICK = Scale(size=20_000_000, seconds=1)

METRICS = (
    Metric("down 1", "MB/s", at_least=0.75),
    Metric("up 1", "MB/s", at_least=0.75),
    Metric("down 16", "MB/s"),
    Metric("connections 1", "/s"),
    Metric("connections 16", "/s"),
    Metric("echo idle p50", "ms"),
    Metric("echo idle p99", "ms"),
    Metric("echo + bulk p50", "ms"),
    Metric("echo + bulk p99", "ms"),
    Metric("bulk beside echo", "MB/s"),
    Metric("connect + bulk p50", "ms"),
    Metric("connect + bulk p99", "ms"),
)
RATIOS = (
    Ratio("vsocks", "raw"),
    Ratio("vsocks", "socat"),
    Ratio("vsocks", "slirp"),
    Ratio("vsocks.exe", "vsocks"),
)
"""The port alone, which does less than a proxy has to; a relay, which does as much; a network card,
which is what vsocks does without; and what Wine adds to the same daemon."""


def is_image_built() -> bool:
    """Whether the guest's image is there, as its recipe is now."""
    return (cache_folder() / "images" / f"debian-{hash_of_tree(RECIPE)}").is_dir()


def run_in_vm(
    peers: Mapping[str, VMPeer], workloads: Sequence[str], scale: Scale, count: int
) -> tuple[Results, str]:
    """The results, and how the machine was run."""
    image = debian_image()
    choice = choose(image)
    with serving_targets() as targets:
        runners = {
            name: partial(_run_round, image, choice, peer, targets, workloads, scale)
            for name, peer in peers.items()
        }
        return run_rounds(runners, count), str(choice)


def _run_round(
    image: Image,
    choice: Choice,
    peer: VMPeer,
    targets: Targets,
    workloads: Sequence[str],
    scale: Scale,
    figures: Figures,
) -> None:
    with (
        scratch_directory() as directory,
        warm_vm(image, choice) as vm,
        peer.guest(vm, image) as guest,
    ):
        site = Site(vm, guest, targets, directory)
        site.prepare()
        with peer.up(site) as measure:
            for name in workloads:
                if name in peer.workloads:
                    print(f" {name}", end="", flush=True)
                    figures |= measure(name, scale)
