"""Programs find the proxy by the lines that `vsocks system-proxy show` prints for a shell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.certificate import Certificate, make_certificate
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 1_000_003
NAME = "site.test"
IN_SUCH_A_SHELL = 'eval "$("$0" -m vsocks system-proxy show --listen "$1")" && shift && exec "$@"'
URLLIB = "import sys, urllib.request as u; u.urlretrieve(sys.argv[1], 'got')"

CURL = ("curl", "--fail", "--silent", "--show-error", "--output", "got")
WITHOUT_HTTP = ("env", "-u", "http_proxy", "-u", "https_proxy", "-u", "HTTPS_PROXY")
CLIENTS = [
    pytest.param(CURL, id="curl"),
    pytest.param((*WITHOUT_HTTP, *CURL), id="curl-by-ALL_PROXY"),
    pytest.param(("wget", "--no-verbose", "--tries=1", "--output-document=got"), id="wget"),
    pytest.param((sys.executable, "-c", URLLIB), id="urllib"),
]


@pytest.fixture
def pair(start_pair: StartPair, tmp_path: Path) -> Pair:
    """A pair whose host alone knows `site.test`: the variables leave out what is local."""
    return start_pair(
        host_options=("-v", *ALLOW_LOOPBACK, "--allow", NAME),
        host_prefix=with_names(tmp_path, {NAME: ["127.0.0.1"]}),
    )


def trusting(programs: Programs, certificate: Certificate) -> dict[str, str]:
    """The environment in which the clients trust it; wget has a file for that."""
    path = str(certificate.certificate)
    (programs.home / ".wgetrc").write_text(f"ca_certificate = {path}\n")
    return {"SSL_CERT_FILE": path, "CURL_CA_BUNDLE": path}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("client", CLIENTS)
def test_a_download(
    pair: Pair,
    programs: Programs,
    start_web_server: StartWebServer,
    client: Sequence[str],
    scheme: str,
) -> None:
    certificate = make_certificate(programs.directory, NAME) if scheme == "https" else None
    port = start_web_server(Site(), certificate).port
    trust = trusting(programs, certificate) if certificate else {}
    programs.check(
        *("sh", "-c", IN_SUCH_A_SHELL, sys.executable, pair.proxy_text),
        *(*client, f"{scheme}://{NAME}:{port}/pattern/1/{SIZE}"),
        environment={**trust, "PYTHONPATH": str(Path.cwd())},
    )
    assert (programs.directory / "got").read_bytes() == pattern(1, 0, SIZE)
    assert came_through(pair, port)
