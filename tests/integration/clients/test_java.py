"""Java finds the proxy by its system properties: both of its HTTP clients, and its sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.certificate import make_certificate
from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SIZE = 1_000_003
NAME = "site.test"
STORE_PASSWORD = "sesame"
"""Of the file with the certificates that Java trusts; keytool wants six letters."""

OLD = """
import java.net.URL;
import java.nio.file.*;

class Old {
    public static void main(String[] arguments) throws Exception {
        try (var body = new URL(arguments[0]).openStream()) {
            Files.copy(body, Path.of("got"));
        }
    }
}
"""
NEW = """
import java.net.URI;
import java.net.http.*;
import java.nio.file.Path;

class New {
    public static void main(String[] arguments) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(arguments[0])).build();
        var file = HttpResponse.BodyHandlers.ofFile(Path.of("got"));
        HttpClient.newHttpClient().send(request, file);
    }
}
"""
OLD_ONE = pytest.param("Old", OLD, id="URLConnection")
NEW_ONE = pytest.param("New", NEW, id="HttpClient")
SCHEMES = pytest.mark.parametrize("scheme", ["http", "https"])


@pytest.fixture
def pair(start_pair: StartPair, tmp_path: Path) -> Pair:
    """A pair whose host alone knows `site.test`: Java leaves out what is local."""
    return start_pair(
        host_options=("-v", *ALLOW_LOOPBACK, "--allow", NAME),
        host_prefix=with_names(tmp_path, {NAME: ["127.0.0.1"]}),
    )


def download(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, scheme: str, *command: str
) -> None:
    """Have that Java command fetch a file from a server which it trusts."""
    needs("javac")  # so that there is more than what runs programs that were compiled before
    certificate = make_certificate(programs.directory, NAME)
    store = programs.directory / "store"
    programs.check(
        *("keytool", "-importcert", "-noprompt", "-alias", "server"),
        *("-file", certificate.certificate, "-keystore", store, "-storepass", STORE_PASSWORD),
    )
    port = start_web_server(Site(), certificate if scheme == "https" else None).port
    programs.check(
        "java",
        f"-Djavax.net.ssl.trustStore={store}",
        f"-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}",
        *command,
        f"{scheme}://{NAME}:{port}/pattern/1/{SIZE}",
    )
    assert (programs.directory / "got").read_bytes() == pattern(1, 0, SIZE)
    assert came_through(pair, port)


def source_file(programs: Programs, name: str, source: str) -> str:
    """Where Java finds the program `name`."""
    path = programs.directory / f"{name}.java"
    path.write_text(source)
    return str(path)


@SCHEMES
@pytest.mark.parametrize(("name", "source"), [OLD_ONE, NEW_ONE])
def test_by_http(
    pair: Pair,
    programs: Programs,
    start_web_server: StartWebServer,
    name: str,
    source: str,
    scheme: str,
) -> None:
    address, port = pair.proxy
    options = [f"-D{kind}.proxyHost={address}" for kind in ("http", "https")]
    options += [f"-D{kind}.proxyPort={port}" for kind in ("http", "https")]
    file = source_file(programs, name, source)
    download(pair, programs, start_web_server, scheme, *options, file)


@SCHEMES
def test_by_socks(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, scheme: str
) -> None:
    """All sockets of java.net go that way; HttpClient has others."""
    address, port = pair.proxy
    options = (f"-DsocksProxyHost={address}", f"-DsocksProxyPort={port}")
    file = source_file(programs, "Old", OLD)
    download(pair, programs, start_web_server, scheme, *options, file)
