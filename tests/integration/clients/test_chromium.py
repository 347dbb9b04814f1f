"""A headless Chromium loads a page with a hundred parts, through a proxy and by the PAC file."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.big_page import big_page, missing
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.conftest import StartPair
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PROGRAMS = ("chromium", "google-chrome")
NAME = "site.test"
HOST_OPTIONS = ("-v", "--deny", "*", *ALLOW_LOOPBACK, "--allow", "localhost", "--allow", NAME)
"""Chromium asks for pages of its maker's by itself: it shall not get them."""

QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-extensions", "--disable-default-apps"),
)
BY_LOOPBACK_TOO = "--proxy-bypass-list=<-loopback>"


def browser() -> str:
    """Where it is; skips the test if there is none. That of a snap can't see the test's folder."""
    for name in PROGRAMS:
        path = shutil.which(name)
        if path and not path.startswith("/snap/"):
            return path
    pytest.skip(f"there is no {' or '.join(PROGRAMS)} here that isn't a snap")


def load(programs: Programs, url: str, *proxy: str) -> None:
    """Load the page at `url` with all its parts."""
    profile = programs.directory / "profile"
    options = (*QUIET, f"--user-data-dir={profile}", *proxy)
    programs.check(browser(), *options, "--dump-dom", url, deadline=150)


@pytest.mark.parametrize("scheme", ["socks5", "socks4", "http"])
def test_a_proxy_server(
    start_pair: StartPair, programs: Programs, start_web_server: StartWebServer, scheme: str
) -> None:
    careful = start_pair(host_options=HOST_OPTIONS)
    site = big_page()
    port = start_web_server(site).port
    proxy = (f"--proxy-server={scheme}://{careful.proxy_text}", BY_LOOPBACK_TOO)
    load(programs, f"http://localhost:{port}/", *proxy)
    assert missing(site) == set()
    assert came_through(careful, port)


def test_the_proxys_own_pac_file(
    start_pair: StartPair, programs: Programs, start_web_server: StartWebServer
) -> None:
    """It leaves out what is local, so the site has a name, which the host alone knows."""
    careful = start_pair(
        host_options=HOST_OPTIONS,
        host_prefix=with_names(programs.directory, {NAME: ["127.0.0.1"]}),
    )
    site = big_page()
    port = start_web_server(site).port
    load(
        programs,
        f"http://{NAME}:{port}/",
        f"--proxy-pac-url=http://{careful.proxy_text}/proxy.pac",
    )
    assert missing(site) == set()
    assert came_through(careful, port)
