"""apt fetches lists and packages through the proxy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.certificate import make_certificate
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.support.pair import Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

FILE = "parcel_1.0_all.deb"
SIZE = 1_000_003


def make_package(programs: Programs) -> bytes:
    """A Debian package with a file in it, made by dpkg-deb."""
    root = programs.directory / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        "Package: parcel\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: A Test <test@example.com>\nDescription: a parcel\n"
    )
    (root / "data").write_bytes(pattern(1, 0, SIZE))
    path = programs.directory / FILE
    programs.check("dpkg-deb", "--build", "--root-owner-group", root, path)
    return path.read_bytes()


def repository(package: bytes) -> Site:
    """A flat repository: the list of packages, and the one that is in it."""
    entry = (
        "Package: parcel\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: A Test <test@example.com>\nDescription: a parcel\n"
        f"Filename: ./{FILE}\nSize: {len(package)}\nSHA256: {hashlib.sha256(package).hexdigest()}\n"
    )
    return Site(
        {
            "/./Packages": ("text/plain", entry.encode()),
            f"/./{FILE}": ("application/octet-stream", package),
        }
    )


def settings(folder: Path, source: str, proxy: str, more: str) -> Path:
    """An apt that knows nothing of this machine's, has that source, and that proxy."""
    for name in ("lists/partial", "cache/archives/partial", "etc"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb [trusted=yes] {source} ./\n")
    (folder / "status").touch()
    file = folder / "apt.conf"
    file.write_text(
        f"""
        Dir::Etc "{folder}/etc";
        Dir::Etc::SourceList "{folder}/sources.list";
        Dir::Etc::SourceParts "/dev/null";
        Dir::State::Lists "{folder}/lists";
        Dir::State::Status "{folder}/status";
        Dir::Cache "{folder}/cache";
        Dir::Log "{folder}";
        APT::Sandbox::User "";
        Acquire::Languages "none";
        Acquire::{source.partition(":")[0]}::Proxy "{proxy}";
        {more}
        """
    )
    return file


@pytest.mark.parametrize("source", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_lists_and_packages(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, scheme: str, source: str
) -> None:
    package = make_package(programs)
    certificate = make_certificate(programs.directory) if source == "https" else None
    port = start_web_server(repository(package), certificate).port
    trust = f'Acquire::https::CAInfo "{certificate.certificate}";' if certificate else ""
    proxy = f"{scheme}://{pair.proxy_text}"
    config = settings(programs.directory / "apt", f"{source}://127.0.0.1:{port}", proxy, more=trust)
    only_ours = {"APT_CONFIG": str(config)}
    programs.check("apt-get", "update", environment=only_ours)
    programs.check("apt-get", "download", "parcel", environment=only_ours, folder=config.parent)
    assert (config.parent / FILE).read_bytes() == package
    assert came_through(pair, port)
