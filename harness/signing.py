"""Signing what Windows runs, by osslsigncode, with a key in a file or in a token."""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .captured import captured

PKCS11 = "pkcs11:"
WHAT = "vsocks guest"
"""As Windows shows it when somebody is asked whether it may run."""


class SigningError(Exception):
    """A file can't be signed; the message holds what osslsigncode said."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A key and its certificate."""

    key: str
    """A PFX file, which holds both, or the URI of a key in a token (RFC 7512)."""
    certificates: str = ""
    """For a token: a PEM file with the certificate, and those between it and the root."""
    password_file: str = ""
    """Holds the PFX file's password or the token's PIN: others can read a command line."""
    module: str = ""
    """For a token: its PKCS#11 library."""
    timestamp: str = ""
    """The URL of a time stamping authority (RFC 3161); without it a signature ends with its
    certificate."""

    def signed(self, content: bytes, suffix: str) -> bytes:
        """The same file with our signature. Raises SigningError."""
        with tempfile.TemporaryDirectory(prefix="vsocks-sign-") as folder:
            plain, signed = Path(folder) / f"plain{suffix}", Path(folder) / f"signed{suffix}"
            plain.write_bytes(content)
            files = ("-in", str(plain), "-out", str(signed))
            words = ("sign", "-h", "sha256", "-n", WHAT, *self._words(suffix), *files)
            captured(["osslsigncode", *words], SigningError, name="osslsigncode")
            return signed.read_bytes()

    def _words(self, suffix: str) -> list[str]:
        if self.key.startswith(PKCS11):
            words = ["-pkcs11module", self.module, "-certs", self.certificates, "-key", self.key]
        else:
            words = ["-pkcs12", self.key]
        if self.password_file:
            words += ["-readpass", self.password_file]
        if self.timestamp:
            words += ["-ts", self.timestamp]
        # The names of what is in a package are signed as well as its contents.
        return words + (["-add-msi-dse"] if suffix == ".msi" else [])


def add_signing_options(parser: argparse.ArgumentParser) -> None:
    """Add --sign and what belongs to it. An empty text is as none: make gives that."""
    for name, what in (
        ("sign", "sign it: a PFX file, or pkcs11:… for a key in a token"),
        ("sign-certificates", "for a token: its certificates in a PEM file"),
        ("sign-password-file", "a file with the password or PIN"),
        ("sign-module", "for a token: its PKCS#11 library"),
        ("sign-timestamp", "URL of an RFC 3161 time stamping authority"),
    ):
        parser.add_argument(f"--{name}", default="", help=what)


def signer_of(options: argparse.Namespace) -> Signer | None:
    """Who signs, if anybody is to. Raises SigningError if something is missing."""
    signer = Signer(
        options.sign,
        options.sign_certificates,
        options.sign_password_file,
        options.sign_module,
        options.sign_timestamp,
    )
    if not signer.key:
        return None
    files = [signer.password_file, signer.certificates, signer.module]
    if signer.key.startswith(PKCS11):
        if not (signer.certificates and signer.module):
            raise SigningError("a key in a token needs SIGN_CERTIFICATES and SIGN_MODULE")
    else:
        files.append(signer.key)
    for path in filter(None, files):
        if not os.access(path, os.R_OK):
            raise SigningError(f"{path} can't be read")
    return signer
