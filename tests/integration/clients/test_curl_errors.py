"""When a target can't be had, curl gets the right status, and a person a page to read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.curl import fetch, fetch_one
from tests.integration.conftest import StartPair
from tests.integration.support.pair import ALLOW_LOOPBACK, SESSION_LOST, Pair
from tests.integration.support.targets import closed_port, silent_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

TUNNEL_FAILED = 56
"""curl's exit status when the answer to CONNECT isn't 200."""


@dataclass(frozen=True)
class Asker:
    """curl, whose request is to be forwarded or to go through a tunnel."""

    programs: Programs
    tunnelled: bool

    def expect(self, pair: Pair, url: str, status: int, *words: str) -> None:
        """The proxy must answer with `status`, and a page with `words` (curl drops a tunnel's)."""
        proxy = ("--proxy", f"http://{pair.proxy_text}")
        if self.tunnelled:
            fetched = fetch(self.programs, *proxy, "--proxytunnel", urls=[url])
            assert fetched.status == TUNNEL_FAILED, fetched.story
            assert fetched.only.connect_code == status, fetched.story
        else:
            got = fetch_one(self.programs, *proxy, url=url)
            assert got.code == status, got.page
            for word in ("vsocks", str(status), *words):
                assert word in got.page


@pytest.fixture(params=[False, True], ids=["forwarded", "tunnelled"])
def asker(programs: Programs, request: pytest.FixtureRequest) -> Asker:
    return Asker(programs, request.param)


def test_a_refused_connection(pair: Pair, asker: Asker) -> None:
    with closed_port() as (host, port):
        reason = f"{host}:{port}: it refused the connection"
        asker.expect(pair, f"http://{host}:{port}/", 502, reason)


def test_a_name_that_is_nobodys(pair: Pair, asker: Asker) -> None:
    asker.expect(pair, "http://a..b.invalid:1/", 502, "a..b.invalid:1: there is no such host")


def test_a_target_that_the_policy_forbids(start_pair: StartPair, asker: Asker) -> None:
    strict = start_pair(host_options=())
    with closed_port() as (host, port):
        asker.expect(strict, f"http://{host}:{port}/", 403, "policy", "does not allow")


def test_a_target_that_does_not_answer(start_pair: StartPair, asker: Asker) -> None:
    hasty = start_pair(host_options=(*ALLOW_LOOPBACK, "--dial-timeout", "1"))
    with silent_port() as (host, port):
        asker.expect(hasty, f"http://{host}:{port}/", 504, "not answered in time")


def test_a_guest_that_has_lost_its_host(pair: Pair, asker: Asker) -> None:
    pair.host.stop()
    pair.guest.wait_for_log(SESSION_LOST)
    asker.expect(pair, "http://127.0.0.1:9/", 503, "no session")


def test_the_page_is_html_without_anything_of_the_clients_in_it(
    pair: Pair, programs: Programs
) -> None:
    with closed_port() as (host, port):
        url = f"http://{host}:{port}/<script>"
        fetched = fetch(programs, "--proxy", f"http://{pair.proxy_text}", urls=[url])
    assert "<script>" not in fetched.only.page
    assert "< content-type: text/html; charset=utf-8" in fetched.story.lower()


def test_one_error_does_not_spoil_the_next_request(pair: Pair, programs: Programs) -> None:
    """Whether or not the connection stays, curl sees every answer."""
    with closed_port() as (host, port):
        urls = [f"http://{host}:{port}/{number}" for number in range(3)]
        fetched = fetch(programs, "--proxy", f"http://{pair.proxy_text}", urls=urls)
    assert fetched.status == 0, fetched.story
    assert [got.code for got in fetched.transfers] == [502] * 3


def test_the_proxys_own_pages(pair: Pair, programs: Programs) -> None:
    status = fetch_one(programs, url=f"http://{pair.proxy_text}/")
    assert status.code == 200
    assert "vsocks" in status.page
    pac = fetch_one(programs, url=f"http://{pair.proxy_text}/proxy.pac")
    assert pac.code == 200
    assert "FindProxyForURL" in pac.page
    assert pair.proxy_text in pac.page
    assert fetch_one(programs, url=f"http://{pair.proxy_text}/nothing").code == 404
