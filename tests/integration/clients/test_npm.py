"""npm installs from a registry through the proxy."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.certificate import make_certificate
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.support.pair import Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

PACKAGE = {"name": "parcel", "version": "1.0.0"}
DATA = pattern(1, 0, 1_000_003)


def make_package() -> bytes:
    """What the registry keeps of the package: a tar with DATA in it."""
    packed = io.BytesIO()
    files = {"package/package.json": json.dumps(PACKAGE).encode(), "package/data": DATA}
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return packed.getvalue()


@pytest.mark.parametrize(("source", "setting"), [("http", "proxy"), ("https", "https-proxy")])
@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_install(
    pair: Pair,
    programs: Programs,
    start_web_server: StartWebServer,
    scheme: str,
    source: str,
    setting: str,
) -> None:
    """By the user's settings; npm keeps loopback out of the proxy unless told not to."""
    package = make_package()
    pages: dict[str, tuple[str, bytes]] = {}
    registry = Site(pages)
    certificate = make_certificate(programs.directory)
    port = start_web_server(registry, certificate if source == "https" else None).port
    root = f"{source}://127.0.0.1:{port}"
    integrity = f"sha512-{base64.b64encode(hashlib.sha512(package).digest()).decode()}"
    version = {**PACKAGE, "dist": {"tarball": f"{root}/parcel.tgz", "integrity": integrity}}
    document = {
        "name": "parcel",
        "dist-tags": {"latest": "1.0.0"},
        "versions": {"1.0.0": version},
    }
    pages["/parcel"] = ("application/json", json.dumps(document).encode())
    pages["/parcel.tgz"] = ("application/octet-stream", package)

    project = programs.directory / "project"
    project.mkdir()
    user = {"npm_config_userconfig": str(programs.home / ".npmrc")}
    proxy = f"{scheme}://{pair.proxy_text}"
    programs.check("npm", "config", "set", setting, proxy, environment=user)
    programs.check(
        *("npm", "install", "--registry", root, "--cafile", certificate.certificate),
        *("--noproxy", "", "--no-audit", "--no-fund", "--no-update-notifier", "parcel"),
        environment=user,
        folder=project,
        deadline=90,
    )
    assert (project / "node_modules" / "parcel" / "data").read_bytes() == DATA
    assert [asked.path for asked in registry.asked] == ["/parcel", "/parcel.tgz"]
    assert came_through(pair, port)
