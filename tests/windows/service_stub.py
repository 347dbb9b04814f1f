"""The service of the tests: our program from its source.

    python service_stub.py FOLDER [--hang | --break | --fail | guest options…]

What it prints goes to FOLDER/stub.txt. If the tests count the lines that run, so does this.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

assert sys.platform == "win32"

ROOT = Path(__file__).resolve().parents[2]
_ENDS_WITHIN = 30.0


def main() -> None:
    folder, *words = sys.argv[1:]
    sys.stdout = sys.stderr = (Path(folder) / "stub.txt").open("w", buffering=1)
    sys.path.insert(0, str(ROOT))
    with counting(Path(folder)):
        run(words)
        print("the program has returned")


@contextlib.contextmanager
def counting(folder: Path) -> Iterator[None]:
    """Count the lines that run, if the tests have left word for us to do so."""
    word = folder / "coverage-settings"
    if not word.exists():
        yield
        return
    sys.path += (folder / "python-path").read_text().splitlines()
    import coverage

    counter = coverage.Coverage(config_file=word.read_text(), data_suffix=True)
    end_process = os._exit

    def save_and_end(status: int) -> None:
        counter.stop()
        counter.save()
        end_process(status)

    os._exit = save_and_end  # type: ignore[assignment]
    counter.start()
    from vsocks.cli import service_run

    abandoning = threading.Event()
    abandon = service_run._Service._abandon

    def told_abandon(service: service_run._Service) -> None:
        abandoning.set()
        abandon(service)

    service_run._Service._abandon = told_abandon  # type: ignore[assignment, method-assign]
    for name in ("main", "_on_control"):
        called_by_windows = getattr(service_run._Service, name)

        def traced(*arguments: object, then: Callable[..., object] = called_by_windows) -> object:
            # Windows has made this thread, so nobody has told it that lines are counted.
            sys.settrace(threading.gettrace())
            return then(*arguments)

        setattr(service_run._Service, name, traced)
    try:
        yield
    finally:
        if abandoning.is_set():
            # Another thread saves, and ends the process. Two at once would spoil the file.
            threading.Event().wait(_ENDS_WITHIN)
        counter.stop()
        counter.save()


class Hanging:
    """A daemon that blocks the event loop when it is told to stop."""

    descriptors = 1
    means = "nothing"

    async def start(self) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def goodbye(self) -> None:
        threading.Event().wait(60)

    def on_hangup(self) -> None:
        pass


def broken(_options: object, **_: object) -> NoReturn:
    raise ZeroDivisionError("for a test")


def run(words: list[str]) -> None:
    from vsocks.cli import service_run, windows_main

    match words:
        case ["--hang"]:
            maker: object = lambda _options, **_: Hanging  # noqa: E731
        case ["--break"]:
            maker = broken
        case ["--fail"]:
            maker, words = None, ["--listen", "192.0.2.1:1080"]
        case _:
            maker = None
    if maker is None:
        windows_main.main(["service", "run", *words])
        return
    with patch.object(service_run, "guest_maker", maker):
        windows_main.main(["service", "run"])


if __name__ == "__main__":
    main()
