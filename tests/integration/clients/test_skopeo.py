"""skopeo fetches an image for containers from a registry through the proxy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.certificate import make_certificate
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

NAME = "site.test"
LAYER = pattern(1, 0, 3_000_003)
OCI = "application/vnd.oci.image"


@pytest.fixture
def pair(start_pair: StartPair, tmp_path: Path) -> Pair:
    """A pair whose host alone knows `site.test`: programs in Go leave out what is local."""
    return start_pair(
        host_options=("-v", *ALLOW_LOOPBACK, "--allow", NAME),
        host_prefix=with_names(tmp_path, {NAME: ["127.0.0.1"]}),
    )


def digest(blob: bytes) -> str:
    """The name of a blob."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def described(kind: str, blob: bytes) -> Mapping[str, Any]:
    """How a manifest names a blob."""
    return {"mediaType": f"{OCI}.{kind}", "digest": digest(blob), "size": len(blob)}


def registry() -> Site:
    """One with the image `parcel:1`, of the one layer LAYER."""
    layers = {"type": "layers", "diff_ids": [digest(LAYER)]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": layers}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": described("config.v1+json", config),
        "layers": [described("layer.v1.tar", LAYER)],
    }
    blobs = {
        f"/v2/parcel/blobs/{digest(blob)}": ("application/octet-stream", blob)
        for blob in (config, LAYER)
    }
    return Site(
        {
            "/v2/": ("application/json", b"{}"),
            "/v2/parcel/manifests/1": (f"{OCI}.manifest.v1+json", json.dumps(manifest).encode()),
            **blobs,
        }
    )


@pytest.mark.parametrize("source", ["http", "https"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_an_image(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, scheme: str, source: str
) -> None:
    """By the variables of the environment. Programs in Go have the proxy resolve names always."""
    trust: tuple[str | Path, ...] = ("--src-tls-verify=false",)
    certificate = None
    if source == "https":
        folder = programs.directory / "trusted"
        folder.mkdir()
        certificate = make_certificate(programs.directory, NAME)
        (folder / "ca.crt").write_bytes(certificate.certificate.read_bytes())
        trust = ("--src-cert-dir", folder)
    port = start_web_server(registry(), certificate).port
    programs.check(
        *("skopeo", "--insecure-policy", "copy", *trust),
        *(f"docker://{NAME}:{port}/parcel:1", f"dir:{programs.directory}/got"),
        environment={f"{source}_proxy": f"{scheme}://{pair.proxy_text}"},
    )
    layer = programs.directory / "got" / digest(LAYER).partition(":")[2]
    assert layer.read_bytes() == LAYER
    assert came_through(pair, port)
