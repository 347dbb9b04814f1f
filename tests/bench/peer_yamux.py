"""Go's yamux: a SOCKS5 proxy over one unix socket, the same job by another multiplexer.

Built from Debian's golang-go and golang-github-hashicorp-yamux-dev, in a scratch directory.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .child import Child
from .load.workloads import Routes
from .peer import Targets, Way
from .ports import free_port
from .through import by_socks

SOURCES = Path("/usr/share/gocode/src/github.com/hashicorp/yamux")
PROGRAM = Path(__file__).parent / "yamux" / "main.go"
#: Seconds that the compiler may take.
BUILD_TIME = 300


def lacks_yamux() -> str:
    """Why it can't be built here; empty if it can."""
    if shutil.which("go") is None:
        return "there is no Go: apt install golang-go"
    if not SOURCES.is_dir():
        return "its source isn't there: apt install golang-github-hashicorp-yamux-dev"
    return ""


@contextmanager
def yamux(targets: Targets, directory: Path) -> Iterator[Way[Routes]]:
    binary, pipe = directory / "proxy", directory / "pipe"
    build = {
        "GOPATH": "/usr/share/gocode",
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOCACHE": str(directory / "cache"),
    }
    subprocess.run(
        ["go", "build", "-o", str(binary), str(PROGRAM)],
        env={**os.environ, **build},
        check=True,
        timeout=BUILD_TIME,
    )
    address = ("127.0.0.1", free_port())
    command = [str(binary), "guest", f"{address[0]}:{address[1]}", str(pipe)]
    with Child(command, directory / "guest.log") as inner:
        inner.wait_for("waiting$")
        with Child([str(binary), "host", str(pipe)], directory / "host.log") as outer:
            inner.wait_for("ready$")
            yield Way(by_socks(address, targets), [inner, outer])
