"""tinyproxy: a plain HTTP proxy, written in C, a thread for each connection.

It is one process between client and server where vsocks has two and a channel, and ends each
connection after one request.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .child import Child
from .load.http_workloads import HttpRoutes
from .peer import Targets, Way
from .ports import free_port, wait_until_open
from .through import by_http

CONFIGURATION = """\
Port {port}
Listen 127.0.0.1
Allow 127.0.0.1
Timeout 60
MaxClients 100
LogLevel Error
LogFile "{directory}/tinyproxy.log"
"""


@contextmanager
def tinyproxy(targets: Targets, directory: Path) -> Iterator[Way[HttpRoutes]]:
    port = free_port()
    configuration = directory / "tinyproxy.conf"
    configuration.write_text(CONFIGURATION.format(port=port, directory=directory))
    command = ["tinyproxy", "-d", "-c", str(configuration)]
    with Child(command, directory / "tinyproxy.err") as daemon:
        wait_until_open(("127.0.0.1", port), daemon)
        yield Way(by_http(("127.0.0.1", port), targets), [daemon])
