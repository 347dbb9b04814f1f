"""curl with a report on each of its transfers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from tests.integration.clients.support.command import Programs
from tests.integration.support.waiting import DEADLINE


@dataclass(frozen=True)
class Transfer:
    """What curl says of one URL."""

    #: Of the last answer, and of the proxy's to CONNECT; 0 if there was none.
    code: int
    connect_code: int
    version: str
    #: How many connections curl made for it; 0 if it used one that it had.
    connections: int
    body: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def page(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(frozen=True)
class Fetched:
    """What a run of curl did, its exit status, and what `-v` told."""

    transfers: list[Transfer]
    status: int
    story: str

    @property
    def only(self) -> Transfer:
        """The transfer, if there was one."""
        [transfer] = self.transfers
        return transfer


def fetch(programs: Programs, *options: str | Path, urls: list[str], stdin: bytes = b"") -> Fetched:
    """Run curl with `options` for `urls`, whatever becomes of it."""
    files = [programs.directory / f"body-{number}" for number in range(len(urls))]
    wanted: list[str | Path] = []
    for url, file in zip(urls, files, strict=True):
        file.unlink(missing_ok=True)
        wanted += ["--output", file, url]
    done = programs.run(
        "curl",
        *("--disable", "--silent", "--verbose", "--show-error", "--globoff"),
        *("--max-time", str(DEADLINE), "--write-out", "%{json}\n"),
        *options,
        *wanted,
        stdin=stdin,
    )
    reports = [json.loads(line) for line in done.text.splitlines()]
    transfers = [
        Transfer(
            code=report["response_code"],
            connect_code=report["http_connect"],
            version=report["http_version"],
            connections=report["num_connects"],
            body=file.read_bytes() if file.exists() else b"",
        )
        for report, file in zip(reports, files, strict=True)
    ]
    return Fetched(transfers, done.status, done.errors)


def fetch_one(programs: Programs, *options: str | Path, url: str, stdin: bytes = b"") -> Transfer:
    """The same for one URL that must be fetched without an error of curl's."""
    fetched = fetch(programs, *options, urls=[url], stdin=stdin)
    assert fetched.status == 0, fetched.story
    return fetched.only
