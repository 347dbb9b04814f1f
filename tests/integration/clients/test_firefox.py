"""A headless Firefox loads a page with a hundred parts, by its own settings and the PAC file.

`make setup` installs no Firefox, Chromium being large enough; the tests take the one that is here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.big_page import big_page, missing
from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.proof import came_through
from tests.integration.conftest import StartPair
from tests.integration.support.namespaces import with_names
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PROGRAM = "firefox-esr"
NAME = "site.test"
HOST_OPTIONS = ("-v", "--deny", "*", *ALLOW_LOOPBACK, "--allow", "localhost", "--allow", NAME)
"""Firefox asks for pages of its maker's by itself: it shall not get them."""

Preferences = Mapping[str, str | int | bool]

QUIET: Preferences = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
}
MANUAL, BY_PAC = 1, 2
"""Values of network.proxy.type."""


def load(programs: Programs, url: str, proxy: Preferences) -> None:
    """Load the page at `url` with all its parts."""
    needs(PROGRAM)
    profile = programs.directory / "profile"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in {**QUIET, **proxy}.items()]
    (profile / "user.js").write_text("\n".join(lines))
    picture = programs.directory / "page.png"
    options = ("--headless", "--no-remote", "--profile", profile, "--screenshot", picture)
    programs.check(PROGRAM, *options, url, deadline=150)


def socks(pair: Pair, version: int) -> Preferences:
    address, port = pair.proxy
    return {
        "network.proxy.socks": address,
        "network.proxy.socks_port": port,
        "network.proxy.socks_version": version,
        "network.proxy.socks_remote_dns": True,
    }


def http(pair: Pair) -> Preferences:
    address, port = pair.proxy
    return {"network.proxy.http": address, "network.proxy.http_port": port}


@pytest.mark.parametrize("protocol", ["socks5", "socks4", "http"])
def test_a_proxy_server(
    start_pair: StartPair, programs: Programs, start_web_server: StartWebServer, protocol: str
) -> None:
    careful = start_pair(host_options=HOST_OPTIONS)
    site = big_page()
    port = start_web_server(site).port
    proxy = http(careful) if protocol == "http" else socks(careful, int(protocol[-1]))
    local_too: Preferences = {
        "network.proxy.type": MANUAL,
        "network.proxy.allow_hijacking_localhost": True,
    }
    load(programs, f"http://localhost:{port}/", {**proxy, **local_too})
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
    pac = f"http://{careful.proxy_text}/proxy.pac"
    proxy: Preferences = {"network.proxy.type": BY_PAC, "network.proxy.autoconfig_url": pac}
    load(programs, f"http://{NAME}:{port}/", proxy)
    assert missing(site) == set()
    assert came_through(careful, port)
