"""QEMU's user network in the same machine: what a user might take instead, who may have a card.

The card is plugged into the running machine, so the others are measured without it. The guest
connects to the targets themselves: the host's loopback is 10.0.3.2 to it.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from .load.figures import Figures, Scale
from .load.socks5 import Address
from .load.workloads import WORKLOADS
from .vm_site import PATIENCE, Measure, Site, VMPeer

NETWORK = "10.0.3.0/24"
HOST = "10.0.3.2"
GUEST = "10.0.3.15/24"
MAC = "52:54:00:73:6c:70"

#: Waits for the card, whatever name it gets, and gives it its address.
_SET_UP = f"""
for attempt in $(seq 100); do
    card=$(grep -l {MAC} /sys/class/net/*/address | cut -d/ -f5)
    if [ -n "$card" ]; then
        ip address add {GUEST} dev "$card" && ip link set "$card" up
        exit
    fi
    sleep 0.1
done
echo "the card has not come" >&2; exit 1
"""


@contextmanager
def _up(site: Site) -> Iterator[Measure]:
    qmp = site.vm.qmp
    network: dict[str, object] = {"type": "user", "id": "slirp", "net": NETWORK, "host": HOST}
    qmp.execute("netdev_add", network)
    card: dict[str, object] = {
        "driver": "virtio-net-pci",
        "netdev": "slirp",
        "mac": MAC,
        "romfile": "",
    }
    qmp.execute("device_add", card)
    site.guest.succeed(f"sh -c {shlex.quote(_SET_UP)}", timeout=PATIENCE)

    def measure(workload: str, scale: Scale) -> Figures:
        bulk, small = _seen_by_guest(site.targets.bulk), _seen_by_guest(site.targets.small)
        return site.run_load(workload, scale, bulk, small_door=small)

    yield measure


def _seen_by_guest(target: Address) -> Address:
    return HOST, target[1]


slirp = VMPeer(_up, tuple(WORKLOADS))
