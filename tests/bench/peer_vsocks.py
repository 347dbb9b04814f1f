"""vsocks: guest and host daemon, joined by a unix socket."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from .child import Child
from .peer import Peer, R, Targets, Through, Way

Command = Sequence[str]
VSOCKS = (sys.executable, "-m", "vsocks")
#: A guest has the standard library alone, and so asyncio's own event loop.
ON_ASYNCIO = ("env", "VSOCKS_LOOP=asyncio")
NO_LIMIT = "999999"


@contextmanager
def _vsocks(
    through: Through[R], targets: Targets, directory: Path, *, guest: Command, host: Command
) -> Iterator[Way[R]]:
    pipe = directory / "pipe"
    guest = [*guest, "guest", "--channel", f"unix-listen:{pipe}", "--listen", "127.0.0.1:0"]
    host = [*host, "host", "--channel", f"unix:{pipe}", "--allow", "127.0.0.0/8"]
    host += ["--connect-rate", NO_LIMIT, "--datagram-rate", NO_LIMIT]
    with Child(guest, directory / "guest.log") as inner:
        port = inner.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
        with Child(host, directory / "host.log") as outer:
            outer.wait_for("session up")
            inner.wait_for("session up")
            yield Way(through(("127.0.0.1", int(port)), targets), [inner, outer])


def vsocks(through: Through[R]) -> Peer[R]:
    return partial(_vsocks, through, guest=(*ON_ASYNCIO, *VSOCKS), host=VSOCKS)


def profiled(through: Through[R], guest_profile: Path, host_profile: Path) -> Peer[R]:
    """vsocks under cProfile, which writes to these files when the daemons end."""

    def under(profile: Path) -> Command:
        return [sys.executable, "-m", "cProfile", "-o", str(profile), "-m", "vsocks"]

    return partial(_vsocks, through, guest=under(guest_profile), host=under(host_profile))
