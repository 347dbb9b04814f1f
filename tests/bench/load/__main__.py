"""One workload from the command line, its figures as JSON: for the load in a guest.

python3 -m load down1 127.0.0.1:1080 --targets 127.0.0.1:7001 127.0.0.1:7002
"""

import argparse
import json

from .figures import Scale
from .route import Route
from .socks5 import Address
from .workloads import WORKLOADS, Routes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m load", description=__doc__)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("door", type=_address, metavar="HOST:PORT", help="where to connect")
    parser.add_argument(
        "--targets",
        nargs=2,
        type=_address,
        metavar="HOST:PORT",
        help="for bulk and for the rest; the door is a SOCKS5 proxy then, else it is the target",
    )
    parser.add_argument(
        "--small-door", type=_address, metavar="HOST:PORT", help="where to connect, but for bulk"
    )
    parser.add_argument("--size", type=int, default=100_000_000, help="bytes of bulk transfers")
    parser.add_argument("--seconds", type=float, default=1.0, help="of everything else")
    options = parser.parse_args()
    bulk, small = options.targets or (None, None)
    small_door = options.small_door or options.door
    routes = Routes(Route(options.door, bulk), Route(small_door, small))
    scale = Scale(options.size, options.seconds)
    print(json.dumps(WORKLOADS[options.workload](routes, scale)))


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


if __name__ == "__main__":
    main()
