"""A headless Chromium loads a page with a hundred parts, through a proxy and by the PAC file."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.big_page import big_page, missing
from tests.integration.clients.support.command import Finished, Programs
from tests.integration.clients.support.proof import came_through
from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.support import socks
from tests.support.socks_messages import Reply

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


def load(programs: Programs, url: str, *options: str) -> Finished:
    """Load the page at `url` with all its parts; its output is the document."""
    profile = programs.directory / "profile"
    all_options = (*QUIET, f"--user-data-dir={profile}", *options)
    return programs.check(browser(), *all_options, "--dump-dom", url, deadline=150)


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


# -- the guest's status page -------------------------------------------------------------------


def test_the_status_page_shows_what_goes_on(
    pair: Pair, programs: Programs, serve: StartTarget
) -> None:
    """What the browser shows is kept as a picture if this fails."""
    target = serve(echo)
    assert socks.ask(pair.proxy, ("224.0.0.1", 1)) is Reply.NOT_ALLOWED
    picture = f"--screenshot={programs.directory / 'status-page.png'}"
    page = f"http://{pair.proxy_text}/"
    with socks.connect(pair.proxy, ("localhost", target.port)) as sock:
        sock.sendall(b"hello")
        load(programs, page, picture, "--window-size=1100,800")
        shown = load(programs, page, "--enable-logging=stderr")
    cells = shown.text.replace("</td>", "").replace("</th>", "")
    assert f"<td>c2<td>SOCKS5<td>localhost:{target.port}" in cells.replace("\n", "")
    assert "<td>224.0.0.1:1<td>the host's policy does not allow it" in cells.replace("\n", "")
    assert "<th>Session with the host<td>up" in cells.replace("\n", "")
    assert "Content Security Policy" not in shown.errors, "its own style must apply"


def test_a_name_that_is_made_to_point_here_gets_no_page(pair: Pair, programs: Programs) -> None:
    """As DNS rebinding does it: the page of evil.test would be of the same origin."""
    port = pair.proxy[1]
    rebound = "--host-resolver-rules=MAP evil.test 127.0.0.1"
    shown = load(programs, f"http://evil.test:{port}/", rebound)
    assert "403 Forbidden" in shown.text
    assert "not at a name" in shown.text
    assert "Session with the host" not in shown.text
