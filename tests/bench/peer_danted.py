"""Dante's danted: a SOCKS server, written in C, with processes for each step of a client's way.

It is one hop between client and target where vsocks has two and a channel.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .child import Child
from .load.datagrams import DatagramRoute
from .peer import Targets, Way
from .ports import free_port
from .through import by_datagrams

DANTED = "/usr/sbin/danted"
"""Not in everybody's PATH."""

CONFIGURATION = """\
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
client pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
socks pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
"""


@contextmanager
def danted(targets: Targets, directory: Path) -> Iterator[Way[DatagramRoute]]:
    port = free_port()
    configuration = directory / "danted.conf"
    configuration.write_text(CONFIGURATION.format(port=port))
    command = [DANTED, "-f", str(configuration), "-p", str(directory / "danted.pid")]
    with Child(command, directory / "danted.log") as daemon:
        daemon.wait_for("v[0-9.]+ running")
        yield Way(by_datagrams(("127.0.0.1", port), targets), [daemon])
