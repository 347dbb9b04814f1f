"""pip installs from an index through the proxy."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair
from tests.integration.support.pair import Pair
from tests.support.pattern import pattern

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

WHEEL = "parcel-1.0-py3-none-any.whl"
DATA = pattern(1, 0, 3_000_003)


def make_wheel(folder: Path) -> bytes:
    """The distribution `parcel`, a module of that name with DATA beside it."""
    files = {
        "parcel/__init__.py": b"",
        "parcel/data": DATA,
        "parcel-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: parcel\nVersion: 1.0\n",
        "parcel-1.0.dist-info/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = "parcel-1.0.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(body)},{len(body)}" for name, body in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as wheel:
        for name, body in files.items():
            wheel.writestr(name, body)
    return path.read_bytes()


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path) -> Site:
    """The index, with `parcel` alone in it."""
    wheel = make_wheel(tmp_path)
    link = f'<a href="/files/{WHEEL}#sha256={hashlib.sha256(wheel).hexdigest()}">{WHEEL}</a>'
    page = f"<!DOCTYPE html><html><body>{link}</body></html>".encode()
    return Site(
        {
            "/simple/parcel/": ("text/html", page),
            f"/files/{WHEEL}": ("application/octet-stream", wheel),
        }
    )


def install(programs: Programs, port: int, *proxy: str, **environment: str) -> Path:
    """Install `parcel`; the folder it is in then."""
    there = programs.directory / "there"
    programs.check(
        *(sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"),
        *("install", "--no-cache-dir", "--no-deps", "--retries", "0", *proxy),
        *("--index-url", f"http://127.0.0.1:{port}/simple", "--target", there, "parcel"),
        environment={"PIP_CONFIG_FILE": "/dev/null", **environment},
    )
    return there / "parcel" / "data"


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_install(
    pair: Pair, programs: Programs, index: Site, start_web_server: StartWebServer, scheme: str
) -> None:
    port = start_web_server(index).port
    data = install(programs, port, "--proxy", f"{scheme}://{pair.proxy_text}")
    assert data.read_bytes() == DATA
    assert came_through(pair, port)
    assert [asked.path for asked in index.asked] == ["/simple/parcel/", f"/files/{WHEEL}"]


def test_install_by_the_environment_with_a_password(
    start_pair: StartPair, programs: Programs, index: Site, start_web_server: StartWebServer
) -> None:
    guarded = start_pair(guest_options=("--user", "alice:sesame"))
    port = start_web_server(index).port
    data = install(programs, port, HTTP_PROXY=f"http://alice:sesame@{guarded.proxy_text}")
    assert data.read_bytes() == DATA
    assert all("proxy-authorization" not in asked.headers for asked in index.asked)
