"""What is compared on this machine, the two daemons joined by a unix socket."""

from collections.abc import Sequence
from typing import Any

from .comparison import Comparison
from .over_http import HTTP
from .over_socks import CONNECTIONS
from .over_udp import DATAGRAMS

COMPARISONS: Sequence[Comparison[Any]] = (CONNECTIONS, HTTP, DATAGRAMS)
