"""In a fresh Debian with the packages in it: everything is there, and both carry a file.

By Python's standard library alone. Every line that begins with "check: " is for people.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONTENT = os.urandom(1_000_003)
CHANNEL = "/tmp/channel"
FILES = (
    "/usr/share/man/man1/vsocks-host.1.gz",
    "/usr/share/bash-completion/completions/vsocks",
    "/usr/lib/systemd/system/vsocks-guest.service",
    "/usr/lib/systemd/system/vsocks-host.service",
    "/usr/lib/udev/rules.d/60-vsocks-guest.rules",
    "/usr/lib/sysusers.d/vsocks.conf",
    "/etc/vsocks/host.toml",
)
#: Where the control socket is; systemd makes it for the service.
RUNTIME = Path("/run/vsocks")
ENABLED = Path("/etc/systemd/system/multi-user.target.wants")


class Target(BaseHTTPRequestHandler):
    """Answers every GET with the content."""

    def do_GET(self) -> None:
        """As the base class wants it."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> int:
    """The exit status."""
    for path in FILES:
        # Some releases have /lib beside /usr/lib.
        assert Path(path).exists() or Path(path.removeprefix("/usr")).exists(), path
    assert (ENABLED / "vsocks-guest.service").is_symlink()
    assert not (ENABLED / "vsocks-host.service").exists()
    assert re.search("^vsocks:", Path("/etc/passwd").read_text(), re.MULTILINE)
    assert re.search("^vsocks-control:", Path("/etc/group").read_text(), re.MULTILINE)
    told = subprocess.run(["vsocks", "--version"], capture_output=True, text=True, check=True)
    print(f"check: {told.stdout.strip()} with Python {sys.version.split()[0]}")
    with ThreadingHTTPServer(("127.0.0.1", 0), Target) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        RUNTIME.mkdir(exist_ok=True)
        carry(f"http://127.0.0.1:{server.server_port}/file")
        server.shutdown()
    return 0


def carry(url: str) -> None:
    """Fetch the content through both daemons, which end with it."""
    with (
        daemon(
            "guest", "--channel", "unix-listen:/tmp/channel", "--listen", "127.0.0.1:0"
        ) as guest,
        daemon(
            *("host", "--config", "/etc/vsocks/host.toml"),
            *("--channel", f"unix:{CHANNEL}", "--allow", "127.0.0.0/8"),
        ) as host,
    ):
        port = awaited(guest, r"listening on 127\.0\.0\.1:(\d+)")
        awaited(host, "(session up)")
        proxy = urllib.request.ProxyHandler({"http": f"http://127.0.0.1:{port}"})
        with urllib.request.build_opener(proxy).open(url, timeout=60) as answer:
            got = answer.read()
        status = subprocess.run(["vsocks", "status"], capture_output=True, text=True, check=True)
        assert f"unix:{CHANNEL}" in status.stdout, status.stdout
    assert hashlib.sha256(got).digest() == hashlib.sha256(CONTENT).digest()
    print(f"check: {len(got)} bytes went through both daemons")


@contextmanager
def daemon(*words: str) -> Iterator[subprocess.Popen[str]]:
    """One of the two, until the end of the block, which it has to end well."""
    process = subprocess.Popen(["vsocks", *words], stderr=subprocess.PIPE, text=True)
    try:
        yield process
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()


def awaited(process: subprocess.Popen[str], pattern: str) -> str:
    """What the pattern's group found in the log, as soon as it is there."""
    assert process.stderr
    for line in process.stderr:
        print(line, end="")
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"{process.args!r} ended: {process.wait()}")


if __name__ == "__main__":
    sys.exit(main())
