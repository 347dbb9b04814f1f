"""A headless Chromium loads a page with a hundred parts, through SOCKS and by the PAC file."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.command import Finished, Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

NAMES = ("chromium", "chromium-browser", "google-chrome")
PARTS = 100
PADDING = 20_000
NAME = "site.test"
HOST_OPTIONS = ("-v", "--deny", "*", *ALLOW_LOOPBACK, "--allow", "localhost", "--allow", NAME)
"""Chromium asks for pages of its maker's by itself: it shall not get them."""

QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-extensions", "--disable-default-apps"),
)
BY_LOOPBACK_TOO = "--proxy-bypass-list=<-loopback>"


def make_site() -> Site:
    """A page whose parts are scripts; each must run for the page to show their right sum."""
    tags = "".join(f'<script src="/part/{number}.js"></script>' for number in range(PARTS))
    show = "<script>document.write(`<p>sum ${sum} of ${count}</p>`)</script>"
    page = f"<!DOCTYPE html><html><script>var sum=0,count=0</script>{tags}{show}</html>"
    pages = {"/": ("text/html", page.encode())}
    for number in range(PARTS):
        script = f"sum+={number};count++ // {'x' * PADDING}".encode()
        pages[f"/part/{number}.js"] = ("text/javascript", script)
    return Site(pages)


def browser() -> str:
    """What it is called here; skips the test if there is none."""
    for name in NAMES:
        if shutil.which(name):
            return name
    pytest.skip(f"there is no {' or '.join(NAMES)} here")


def load(programs: Programs, url: str, *proxy: str) -> Finished:
    """What becomes of the page at `url`."""
    profile = programs.directory / "profile"
    options = (*QUIET, f"--user-data-dir={profile}", *proxy)
    return programs.check(browser(), *options, "--dump-dom", url, deadline=150)


def check(loaded: Finished, site: Site) -> None:
    """Every part has been asked for, and has arrived."""
    found = re.search(r"<p>sum (\d+) of (\d+)</p>", loaded.text)
    assert found, str(loaded)
    assert found.groups() == (str(sum(range(PARTS))), str(PARTS))
    asked = {it.path for it in site.asked}
    assert asked >= {f"/part/{number}.js" for number in range(PARTS)}


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.mark.parametrize("scheme", ["socks5", "socks4", "http"])
def test_a_proxy_server(
    start_pair: StartPair,
    programs: Programs,
    site: Site,
    start_web_server: StartWebServer,
    scheme: str,
) -> None:
    careful = start_pair(host_options=HOST_OPTIONS)
    port = start_web_server(site).port
    proxy = (f"--proxy-server={scheme}://{careful.proxy_text}", BY_LOOPBACK_TOO)
    check(load(programs, f"http://localhost:{port}/", *proxy), site)
    assert came_through(careful, port)


def test_the_proxys_own_pac_file(
    start_pair: StartPair, programs: Programs, site: Site, start_web_server: StartWebServer
) -> None:
    """It leaves out what is local, so the site has a name, which the host alone knows."""
    careful = start_pair(
        host_options=HOST_OPTIONS,
        host_prefix=with_names(programs.directory, {NAME: ["127.0.0.1"]}),
    )
    port = start_web_server(site).port
    pac = f"--proxy-pac-url=http://{careful.proxy_text}/proxy.pac"
    check(load(programs, f"http://{NAME}:{port}/", pac), site)
    assert came_through(careful, port)
