"""curl fetches and sends files through the proxy, however it names the target."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.integration.support.curl import curl
from tests.integration.support.http_target import HttpTarget, file_digest
from tests.integration.support.pair import Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

SIZE = 8_000_003

WAYS = [
    # curl's option, the address the server has, the host in the URL
    pytest.param("--socks5", "127.0.0.1", "127.0.0.1", id="ipv4"),
    pytest.param("--socks5", "::1", "[::1]", id="ipv6"),
    pytest.param("--socks5", "127.0.0.1", "localhost", id="name-resolved-by-curl"),
    pytest.param("--socks5-hostname", "127.0.0.1", "localhost", id="name"),
    pytest.param("--socks5-hostname", "127.0.0.1", "127.0.0.1", id="ipv4-by-socks5h"),
    pytest.param("--socks5-hostname", "::1", "[::1]", id="ipv6-by-socks5h"),
]


@pytest.mark.parametrize(("option", "address", "host"), WAYS)
def test_download(pair: Pair, option: str, address: str, host: str) -> None:
    with HttpTarget(address) as server:
        url = f"http://{host}:{server.port}/7/{SIZE}"
        got = curl(url, option, pair.proxy_text)
    assert (got.status, got.errors) == (0, "")
    assert got.digest == file_digest(7, SIZE)


@pytest.mark.parametrize(("option", "address", "host"), WAYS)
def test_upload(pair: Pair, tmp_path: Path, option: str, address: str, host: str) -> None:
    data = pattern(8, 0, SIZE)
    file = tmp_path / "upload"
    file.write_bytes(data)
    with HttpTarget(address) as server:
        got = curl(f"http://{host}:{server.port}/", option, pair.proxy_text, upload=file)
    assert (got.status, got.errors) == (0, "")
    assert got.body.decode() == hashlib.sha256(data).hexdigest()
