"""Who made the files of a Windows Python, by the signatures that Windows knows.

Programs and libraries have theirs inside. The standard library's .py files have one together: a
catalogue, which the Python Software Foundation signs, lists the hashes of all of them.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from .errors import BuildError

ROOTS = Path(__file__).with_name("roots.pem")
PYTHON = "CN=Python Software Foundation"
MICROSOFT = "O=Microsoft Corporation"
OF_MICROSOFT = {"vcruntime140.dll", "vcruntime140_1.dll"}
"""The C runtime, which Python comes with."""


class SignatureError(BuildError):
    """A file is not as its maker signed it; the message names both."""


def check_signatures(folder: Path) -> None:
    """Every program and library must be as signed by Python, or Microsoft if it is Microsoft's.

    Raises SignatureError.
    """
    found = [path for pattern in ("*.exe", "*.dll", "*.pyd") for path in folder.rglob(pattern)]
    assert found, f"no programs in {folder}"
    for path in sorted(found):
        _check_signature(path, MICROSOFT if path.name in OF_MICROSOFT else PYTHON)


def not_in_catalogue(folder: Path) -> list[Path]:
    """The files of the standard library that no signed catalogue lists.

    Empty ones don't count, and neither does what Python has compiled here. Raises SignatureError
    if a catalogue is not as Python signed it.
    """
    listed = b""
    for catalogue in sorted(folder.rglob("*.cat")):
        _check_signature(catalogue, PYTHON)
        listed += signed_content(catalogue.read_bytes())
    return [
        path
        for path in sorted((folder / "Lib").rglob("*"))
        # Programs in it have a signature of their own.
        if path.is_file() and path.suffix not in {".exe", ".dll", ".pyd"}
        if path.parent.name != "__pycache__"
        if (content := path.read_bytes()) and hashlib.sha256(content).digest() not in listed
    ]


def signed_content(message: bytes) -> bytes:
    """What a PKCS #7 message signs (RFC 2315, section 9.1), as bytes of DER.

    Whatever else is in the message, anybody can have put there.
    """
    content_info = _value(message, 0)
    _, after_type = _span(content_info, 0)
    signed_data = _value(_value(content_info, after_type), 0)
    _, after_version = _span(signed_data, 0)
    _, after_algorithms = _span(signed_data, after_version)
    return _value(signed_data, after_algorithms)


def _value(data: bytes, at: int) -> bytes:
    start, end = _span(data, at)
    return data[start:end]


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Where the value begins and ends of the element at `at`."""
    length, start = data[at + 1], at + 2
    if length >= 0x80:
        size = length - 0x80
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    return start, start + length


def _check_signature(path: Path, signer: str) -> None:
    """The chain must lead to a root of ours, at the time that the time stamp says.

    Lists of revoked certificates are left aside: fetching them takes a way to the internet, and
    versions of osslsigncode differ in how they are told so.
    """
    printed = ""
    by_signer = re.compile(rf"Subject: .*{signer}([/,]|$)", re.MULTILINE)
    for offline in (["-ignore-crl"], ["-ignore-cdp"], []):
        command = ["osslsigncode", "verify", "-CAfile", str(ROOTS), "-TSA-CAfile", str(ROOTS)]
        checked = subprocess.run(
            [*command, *offline, "-in", str(path)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        printed = checked.stdout + checked.stderr
        if checked.returncode == 0 and "Succeeded" in printed and by_signer.search(printed):
            return
    raise SignatureError(f"{path} is not as {signer} signed it:\n{printed[-2000:]}")
