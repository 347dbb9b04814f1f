"""vsocks: guest and host daemon, joined by a unix socket."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from .child import Child
from .peer import Peer, Targets, Way, through

Command = Sequence[str]
VSOCKS = (sys.executable, "-m", "vsocks")


@contextmanager
def _vsocks(targets: Targets, directory: Path, *, guest: Command, host: Command) -> Iterator[Way]:
    pipe = directory / "pipe"
    guest = [*guest, "guest", "--channel", f"unix-listen:{pipe}", "--listen", "127.0.0.1:0"]
    host = [*host, "host", "--channel", f"unix:{pipe}", "--allow", "127.0.0.0/8"]
    with Child(guest, directory / "guest.log") as inner:
        port = inner.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1]
        with Child(host, directory / "host.log") as outer:
            outer.wait_for("session up")
            inner.wait_for("session up")
            yield through(("127.0.0.1", int(port)), targets, [inner, outer])


vsocks: Peer = partial(_vsocks, guest=VSOCKS, host=VSOCKS)


def profiled(guest_profile: Path, host_profile: Path) -> Peer:
    """vsocks under cProfile, which writes to these files when the daemons end."""

    def under(profile: Path) -> Command:
        return [sys.executable, "-m", "cProfile", "-o", str(profile), "-m", "vsocks"]

    return partial(_vsocks, guest=under(guest_profile), host=under(host_profile))
