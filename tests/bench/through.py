"""The routes that there are through one port of a proxy, or straight to the targets."""

from .load import http
from .load.datagrams import DatagramRoute
from .load.http_workloads import HttpRoutes
from .load.route import Route
from .load.socks5 import Address
from .load.workloads import Routes
from .peer import Targets


def by_socks(door: Address | None, targets: Targets) -> Routes:
    if door is None:
        return Routes(Route(targets.bulk), Route(targets.small))
    return Routes(Route(door, targets.bulk), Route(door, targets.small))


def by_http(door: Address | None, targets: Targets) -> HttpRoutes:
    origin = http.Origin(targets.http, door)
    if door is None:
        return HttpRoutes(origin, Route(targets.small))
    return HttpRoutes(origin, Route(door, targets.small, http.connect))


def by_datagrams(door: Address | None, targets: Targets) -> DatagramRoute:
    return DatagramRoute(targets.datagrams, door)
