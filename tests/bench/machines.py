"""Bulk and echoes over several machines of one host daemon: `python -m tests.bench.machines`.

Each machine has a guest daemon and a client as processes of their own. Trust the figures of an idle
machine only.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .child import Child
from .load.bulk import background_download, bulk, download
from .load.echo import round_trips
from .load.route import Route
from .targets import serving_targets

SIZE = 1_000_000_000
"""Bytes in all."""
ROUNDS = 3
SECONDS = 3.0
MACHINES = (1, 2, 8)


def main() -> None:
    """Print what was measured."""
    with serving_targets() as targets:
        for count in MACHINES:
            with machines(count) as doors:
                routes = [Route(door, targets.bulk) for door in doors]
                rates = [in_sum(routes) for _ in range(ROUNDS)]
                print(f"down over {count}: {statistics.median(rates) / 1e6:.0f} MB/s in sum")
        with machines(2) as (busy, quiet):
            alone = statistics.median(round_trips(Route(quiet, targets.bulk), SECONDS))
            with background_download(Route(busy, targets.bulk)):
                beside = statistics.median(round_trips(Route(quiet, targets.bulk), SECONDS))
            print(f"echo: {alone * 1e3:.2f} ms, beside another's download {beside * 1e3:.2f} ms")


@contextmanager
def machines(count: int) -> Iterator[list[tuple[str, int]]]:
    """The proxies of so many machines, each in session."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        text = '[defaults]\nrules = ["allow 127.0.0.0/8"]\n'
        for number in range(count):
            text += f'[machine.m{number}]\nchannel = "unix-listen:{folder}/{number}"\n'
        (folder / "host.toml").write_text(text)
        command = (sys.executable, "-m", "vsocks")
        arguments = ("host", "--config", str(folder / "host.toml"))
        host = Child((*command, *arguments), folder / "host.log")
        stack.enter_context(host)
        host.wait_for(f"m{count - 1}: waiting for the channel")
        doors = []
        for number in range(count):
            channel = ("--channel", f"unix:{folder}/{number}", "--listen", "127.0.0.1:0")
            guest = stack.enter_context(
                Child((*command, "guest", *channel), folder / f"{number}.log")
            )
            doors.append(("127.0.0.1", int(guest.wait_for(r"listening on 127\.0\.0\.1:(\d+)")[1])))
            guest.wait_for("session up")
        yield doors


def in_sum(routes: list[Route]) -> float:
    """Bytes a second over all of them at once, a process for each."""
    context = multiprocessing.get_context("fork")
    share = SIZE // len(routes)
    clients = [context.Process(target=bulk, args=(route, download, share)) for route in routes]
    began = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        assert client.exitcode == 0
    return share * len(routes) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
