"""curl through the proxy: a client that we have not written."""

from __future__ import annotations

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.integration.support.waiting import DEADLINE

PROXY_ERROR = 97
"""curl's exit status when the proxy said no."""


@dataclass(frozen=True)
class CurlResult:
    """What curl got, and what it said."""

    status: int
    body: bytes
    errors: str

    @property
    def digest(self) -> str:
        """SHA-256 of the body."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def socks_reply(self) -> int | None:
        """The SOCKS reply that curl complains about, if it does."""
        found = re.search(r"SOCKS5 connection to .*\((\d+)\)", self.errors)
        return int(found[1]) if found else None


def curl(url: str, *proxy: str, upload: Path | None = None) -> CurlResult:
    """Fetch `url` by way of the proxy that the options `proxy` name; PUT `upload` if given."""
    command = ["curl", "--silent", "--show-error", "--max-time", str(DEADLINE), *proxy]
    if upload:
        command += ["--upload-file", str(upload), "--header", "Expect:"]
    done = subprocess.run(
        [*command, "--globoff", url], capture_output=True, timeout=DEADLINE + 5, check=False
    )
    return CurlResult(done.returncode, done.stdout, done.stderr.decode())
