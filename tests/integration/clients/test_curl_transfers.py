"""curl fetches and sends files in every way to the proxy that it knows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.certificate import make_certificate
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.curl import fetch, fetch_one
from tests.integration.clients.support.site import Site
from tests.integration.support.http_target import file_digest
from tests.integration.support.pair import Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

SIZE = 3_000_003


@dataclass(frozen=True)
class Way:
    """A way to the proxy, and how the target is named in the URL."""

    scheme: str
    host: str = "127.0.0.1"
    more: Sequence[str] = ()

    def to(self, pair: Pair) -> list[str]:
        """The options of curl for it."""
        return ["--proxy", f"{self.scheme}://{pair.proxy_text}", *self.more]


FORWARDED = pytest.param(Way("http"), id="http")
TUNNELLED = pytest.param(Way("http", more=("--proxytunnel",)), id="http-tunnel")
WAYS = [
    pytest.param(Way("socks4"), id="socks4"),
    pytest.param(Way("socks4a", "localhost"), id="socks4a"),
    pytest.param(Way("socks5"), id="socks5"),
    pytest.param(Way("socks5h", "localhost"), id="socks5h"),
    FORWARDED,
    pytest.param(Way("http", "localhost"), id="http-by-name"),
    TUNNELLED,
    pytest.param(Way("http", "localhost", ("--proxytunnel",)), id="http-tunnel-by-name"),
]


@pytest.mark.parametrize("how", ["pattern", "chunked"])
@pytest.mark.parametrize("way", WAYS)
def test_a_download_arrives_whole(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, way: Way, how: str
) -> None:
    port = start_web_server(Site()).port
    got = fetch_one(programs, *way.to(pair), url=f"http://{way.host}:{port}/{how}/7/{SIZE}")
    assert (got.code, got.digest) == (200, file_digest(7, SIZE))


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_waits_for_the_word_to_go_on_and_arrives_whole(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, tmp_path: Path, way: Way
) -> None:
    site = Site()
    port = start_web_server(site).port
    data = pattern(8, 0, SIZE)
    (tmp_path / "upload").write_bytes(data)
    options = ("--upload-file", tmp_path / "upload", "--expect100-timeout", "60")
    fetched = fetch(programs, *way.to(pair), *options, urls=[f"http://{way.host}:{port}/file"])
    assert fetched.only.page == hashlib.sha256(data).hexdigest(), fetched.story
    assert "< HTTP/1.1 100" in fetched.story
    [asked] = site.asked
    assert asked.headers["expect"] == "100-continue"
    assert asked.headers["content-length"] == str(SIZE)


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_whose_length_nobody_knows_arrives_whole(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, way: Way
) -> None:
    site = Site()
    port = start_web_server(site).port
    data = pattern(9, 0, SIZE)
    url = f"http://{way.host}:{port}/file"
    got = fetch_one(programs, *way.to(pair), "--upload-file", "-", url=url, stdin=data)
    assert got.page == hashlib.sha256(data).hexdigest()
    assert site.asked[0].headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize("way", WAYS)
def test_two_pages_come_over_one_connection(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, way: Way
) -> None:
    port = start_web_server(Site()).port
    urls = [f"http://{way.host}:{port}/{how}/{SIZE}" for how in ("pattern/1", "chunked/2")]
    fetched = fetch(programs, *way.to(pair), urls=urls)
    digests = [file_digest(stream, SIZE) for stream in (1, 2)]
    assert [got.digest for got in fetched.transfers] == digests, fetched.story
    assert [got.connections for got in fetched.transfers] == [1, 0], fetched.story


@pytest.mark.parametrize("way", [FORWARDED])
def test_one_connection_to_the_proxy_reaches_several_sites(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, way: Way
) -> None:
    sites = [Site(), Site()]
    roots = [f"http://127.0.0.1:{start_web_server(site).port}" for site in sites]
    urls = [f"{root}/pattern/3/{size}" for size in (10, 100_000) for root in roots]
    fetched = fetch(programs, *way.to(pair), urls=urls)
    assert [len(got.body) for got in fetched.transfers] == [10, 10, 100_000, 100_000]
    assert [got.connections for got in fetched.transfers] == [1, 0, 0, 0], fetched.story
    assert [len(site.asked) for site in sites] == [2, 2]


@pytest.mark.parametrize("way", WAYS)
def test_http_2_over_tls(
    pair: Pair, programs: Programs, start_web_server: StartWebServer, tmp_path: Path, way: Way
) -> None:
    certificate = make_certificate(tmp_path)
    site = Site()
    port = start_web_server(site, certificate).port
    options = ("--http2", "--cacert", certificate.certificate)
    url = f"https://{way.host}:{port}/pattern/4/{SIZE}"
    got = fetch_one(programs, *way.to(pair), *options, url=url)
    assert (got.version, site.asked[0].version) == ("2", "2")
    assert got.digest == file_digest(4, SIZE)
