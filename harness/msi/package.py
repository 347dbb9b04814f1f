"""The MSI, made on Linux by wixl. Two of one commit are the same to the byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from vsocks import __version__

from ..exe.icon import icon
from ..exe.shipped import folder_files
from ..reproducible import source_epoch
from ..signing import Signer
from .tables import complete, settle_summary

SOURCE = Path(__file__).with_name("vsocks-guest.wxs")
UPGRADE_CODE = uuid.UUID("bd53bf29-86ca-4672-98b0-8e5d62aa67a0")
"""By which Windows Installer knows all versions of the product. It never changes."""
NAME = f"vsocks-guest-{__version__}.msi"
LIBRARIES = "_internal/"


class PackageError(Exception):
    """The MSI can't be made; the message holds what wixl said."""


def write_msi(folder: Path, signer: Signer | None = None) -> Path:
    """Put the MSI into `folder`, signed as its program is; returns its path."""
    msi = package(folder_files(signer), folder / NAME)
    if signer:
        msi.write_bytes(signer.signed(msi.read_bytes(), ".msi"))
    return msi


def package(files: dict[str, bytes], msi: Path, version: str = __version__) -> Path:
    """Make an MSI of the folder form's files."""
    identity = hashlib.sha256(f"{version} {source_epoch()}".encode() + SOURCE.read_bytes())
    for name, content in files.items():
        identity.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    msi.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vsocks-msi-") as name:
        work = Path(name)
        _lay_out(work, files)
        variables = {
            "ProductCode": product_code(identity.hexdigest()),
            "UpgradeCode": _guid(UPGRADE_CODE),
            "Version": version,
        }
        _wixl(work, msi, variables)
    complete(msi)
    code = _guid(uuid.uuid5(UPGRADE_CODE, f"package {identity.hexdigest()}"))
    settle_summary(msi, code, source_epoch())
    return msi


def product_code(identity: str) -> str:
    """The GUID of this very build: with another one Windows Installer takes it for an upgrade."""
    return _guid(uuid.uuid5(UPGRADE_CODE, f"product {identity}"))


def _lay_out(work: Path, files: dict[str, bytes]) -> None:
    for name, content in {**files, "vsocks.ico": icon()}.items():
        path = work / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (source_epoch(), source_epoch()))
    (work / "libraries.wxi").write_bytes(libraries(name for name in files if LIBRARIES in name))


def libraries(names: Iterable[str]) -> bytes:
    """Components of a file each, so that every one of them is repaired if it is gone."""
    include = ElementTree.Element("Include", xmlns="http://schemas.microsoft.com/wix/2006/wi")
    group = ElementTree.SubElement(include, "ComponentGroup", Id="Libraries", Directory="Libraries")
    for name in names:
        file = "".join(letter if letter.isalnum() else "_" for letter in name)
        code = _guid(uuid.uuid5(UPGRADE_CODE, f"component {name}"))
        component = ElementTree.SubElement(group, "Component", Id=file, Guid=code, Win64="yes")
        ElementTree.SubElement(component, "File", Id=file, Source=name, KeyPath="yes")
    return ElementTree.tostring(include)


def _wixl(work: Path, msi: Path, variables: dict[str, str]) -> None:
    defines = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
    ended = subprocess.run(
        ["wixl", "--arch", "x64", *defines, "--output", str(msi.resolve()), str(SOURCE)],
        cwd=work,
        # The cabinet has local times.
        env={**os.environ, "TZ": "UTC"},
        capture_output=True,
        text=True,
        check=False,
    )
    # It goes on after a warning: an attribute that it knows nothing of would be missing.
    if ended.returncode or ended.stderr.strip():
        raise PackageError(f"wixl ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


def _guid(code: uuid.UUID) -> str:
    return str(code).upper()
