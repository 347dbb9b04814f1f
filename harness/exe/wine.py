"""Wine on this machine: a prefix of our own, and programs in it."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..cache import cache_folder, made
from ..progress import step

SETTINGS = {
    "WINEDEBUG": "-all",
    # Windows' management interface crashes Wine 8; .NET and the HTML engine are not installed.
    "WINEDLLOVERRIDES": "wbemprox,mscoree,mshtml=",
}
START_SECONDS = 180
STOP_SECONDS = 180
SERVICE_SECONDS = 120
"""What a service may take to begin; Wine's own 10 s are too few on a busy machine."""


class WineError(Exception):
    """A program in Wine ended badly; the message holds what it printed."""


@dataclass(frozen=True, slots=True)
class Wine:
    """A prefix: a C: drive and a registry, and a server that lives while programs run."""

    prefix: Path

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Ours, so that programs find the prefix, with `extra` in it."""
        return {**os.environ, **SETTINGS, "WINEPREFIX": str(self.prefix), **(extra or {})}

    def command(self, program: str | Path, *arguments: str) -> list[str]:
        """The command line that runs a Windows program (a path of ours, or a name in C:)."""
        return ["wine", str(program), *arguments]

    def run(
        self,
        program: str | Path,
        *arguments: str,
        timeout: float = START_SECONDS,
        extra: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> str:
        """Run a program to its end; returns what it printed on both streams.

        Raises WineError if its status isn't 0, subprocess.TimeoutExpired if it takes too long.
        """
        # A pipe for the output and none for the input: Python in Wine 8 dies with a terminal.
        with subprocess.Popen(
            self.command(program, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment(extra),
            cwd=folder,
        ) as process:
            try:
                output = _output_until_end(process, timeout)
            finally:
                process.kill()
        printed = output.decode(errors="replace").replace("\r\n", "\n")
        if process.returncode:
            raise WineError(f"{program} ended with status {process.returncode}:\n{printed}")
        return printed

    @contextmanager
    def services(self) -> Iterator[None]:
        """Keep Wine's services running, which take seconds to start, for as long as this lasts.

        They hold on to the output of the program that started them: it would never end if that
        was a pipe of ours. So they are started here, with none.
        """
        silent = partial(
            subprocess.Popen[bytes],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with silent(self.command("cmd", "/c", "exit")) as first:
            first.communicate(timeout=START_SECONDS)
        # It waits for its input, which never comes.
        waiting = silent(self.command("cmd"))
        try:
            yield
        finally:
            waiting.kill()
            waiting.communicate()

    def stop(self) -> None:
        """End every program in the prefix, and wait until the server has gone."""
        for option in ("--kill", "--wait"):
            subprocess.run(
                [_server(), option], env=self.environment(), timeout=STOP_SECONDS, check=False
            )

    def windows_path(self, path: Path) -> str:
        """How a program in Wine calls a file of ours."""
        return f"Z:{path.resolve()}".replace("/", "\\")


def _output_until_end(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """What a process prints until it has ended.

    Not until its output's end: something of Wine's own that it has happened to start, the desktop
    say, may hold on to that. Raises subprocess.TimeoutExpired.
    """
    assert process.stdout
    pipe, output, deadline = process.stdout.fileno(), b"", time.monotonic() + seconds
    end = os.pidfd_open(process.pid)
    watched = {pipe, end}
    try:
        while end in watched:
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select(watched, [], [], left)
            if not readable:
                raise subprocess.TimeoutExpired(process.args, seconds, output)
            if pipe in readable:
                # As much as a pipe holds: after the end this is the rest.
                chunk = os.read(pipe, 65536)
                output += chunk
                watched -= set() if chunk else {pipe}
            watched -= {end} & set(readable)
    finally:
        os.close(end)
    process.wait()
    return output


def wine() -> Wine:
    """The prefix that is shared by all who change nothing in it; made at the first call."""
    folder = made(cache_folder() / f"wine-{_version()}-{SERVICE_SECONDS}", _make_prefix)
    return Wine(folder)


def private_wine(folder: Path) -> Wine:
    """A prefix of one's own, for who installs things: `folder` is made."""
    # A file can't have names on two file systems, and /tmp is often one of its own.
    prefix = wine().prefix
    shares = prefix.stat().st_dev == folder.parent.stat().st_dev

    def link_or_copy(source: str, target: str) -> None:
        # Wine's own files are never changed and can be shared. The registry must not be: Wine
        # writes into a file that has several names, and so into the other prefix (registry.c).
        if source.endswith(".reg") or not shares:
            shutil.copy2(source, target)
        else:
            os.link(source, target)

    shutil.copytree(prefix, folder, symlinks=True, copy_function=link_or_copy)
    return Wine(folder)


def _make_prefix(folder: Path) -> None:
    made_here = Wine(folder)
    with step("setting up Wine (once; then it is kept)"):
        made_here.run("wineboot", "--init")
        made_here.run("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
        # Read by programs/services/services.c (load_registry_parameters), and only as a text.
        control = r"HKLM\System\CurrentControlSet\Control"
        patience = str(1000 * SERVICE_SECONDS)
        made_here.run("reg", "add", control, "/v", "ServicesPipeTimeout", "/d", patience, "/f")
        # It must be whole on the disk before it is renamed.
        subprocess.run([_server(), "--wait"], env=made_here.environment(), timeout=60, check=True)


def _version() -> str:
    told = subprocess.run(["wine", "--version"], capture_output=True, text=True, check=True)
    return told.stdout.split()[0].removeprefix("wine-")


def _server() -> str:
    """Debian keeps it beside the loader, out of the PATH."""
    found = shutil.which("wineserver") or shutil.which(
        "wineserver64", path="/usr/lib/wine:/usr/lib/x86_64-linux-gnu/wine"
    )
    if not found:
        raise WineError("there is no wineserver: is the package wine64 installed?")
    return found
