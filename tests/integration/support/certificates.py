"""An authority of the test's own: a certificate to sign programs with, and time stamps."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PASSWORD = "it's a secret"
SUBJECT = "/CN=vsocks test signer"


@dataclass(frozen=True, slots=True)
class Authority:
    """Files: the authority's certificate, and a signer's key and certificate."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "signer.pem"

    @property
    def key(self) -> Path:
        return self.folder / "signer.key"

    @property
    def pfx(self) -> Path:
        """Key and certificate, with PASSWORD."""
        return self.folder / "signer.pfx"

    @property
    def password(self) -> Path:
        return self.folder / "password"


def make_authority(folder: Path) -> Authority:
    made = Authority(folder)
    made.password.write_text(PASSWORD)
    root, root_key = str(made.root), str(folder / "root.key")
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
        *("-subj", "/CN=vsocks test root", "-keyout", root_key, "-out", root),
    )
    for name, subject, use in (
        ("signer", SUBJECT, "codeSigning"),
        ("clock", "/CN=vsocks test clock", "critical,timeStamping"),
    ):
        extensions = folder / f"{name}.ext"
        extensions.write_text(f"extendedKeyUsage={use}\n")
        request, key = str(folder / f"{name}.csr"), str(folder / f"{name}.key")
        _openssl(
            *("req", "-new", "-newkey", "rsa:2048", "-nodes"),
            *("-subj", subject, "-keyout", key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", root, "-CAkey", root_key, "-days", "20"),
            *("-CAcreateserial", "-extfile", str(extensions), "-out", str(folder / f"{name}.pem")),
        )
    _openssl(
        *("pkcs12", "-export", "-inkey", str(made.key), "-in", str(made.certificate)),
        *("-passout", f"file:{made.password}", "-out", str(made.pfx)),
    )
    return made


@contextmanager
def time_stamping(authority: Authority) -> Iterator[str]:
    """A service as of RFC 3161; yields its URL."""
    folder = authority.folder
    config = folder / "clock.cnf"
    config.write_text(
        "[tsa]\n"
        f"serial = {folder / 'clock.serial'}\nsigner_cert = {folder / 'clock.pem'}\n"
        f"certs = {authority.root}\nsigner_key = {folder / 'clock.key'}\n"
        "signer_digest = sha256\ndefault_policy = 1.2.3.4\ndigests = sha256\n"
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query, reply = folder / "query", folder / "reply"
            query.write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            _openssl(
                *("ts", "-reply", "-config", str(config), "-section", "tsa"),
                *("-queryfile", str(query), "-out", str(reply)),
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(reply.stat().st_size))
            self.end_headers()
            self.wfile.write(reply.read_bytes())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)
