"""curl proves who it is, or doesn't, where the guest has been given users."""

from __future__ import annotations

import pytest

from tests.integration.clients.conftest import StartWebServer
from tests.integration.clients.support.command import Programs
from tests.integration.clients.support.curl import fetch, fetch_one
from tests.integration.clients.support.site import Site
from tests.integration.conftest import StartPair
from tests.integration.support.http_target import file_digest
from tests.integration.support.pair import Pair

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

USERS = ("--user", "alice:open sesame", "--user", "bob:p:w")
SIZE = 100_000
PROXY_REFUSED = 97
SCHEMES = ["socks5", "socks5h"]


@pytest.fixture
def guarded(start_pair: StartPair) -> Pair:
    """A pair whose guest knows two users."""
    return start_pair(guest_options=USERS)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def url(site: Site, start_web_server: StartWebServer) -> str:
    return f"http://127.0.0.1:{start_web_server(site).port}/pattern/1/{SIZE}"


@pytest.mark.parametrize("user", ["alice:open sesame", "bob:p:w"])
@pytest.mark.parametrize("options", [(), ("--proxytunnel",)], ids=["forwarded", "tunnelled"])
@pytest.mark.parametrize("scheme", [*SCHEMES, "http"])
def test_the_right_password_opens(
    guarded: Pair,
    programs: Programs,
    site: Site,
    url: str,
    scheme: str,
    options: tuple[str, ...],
    user: str,
) -> None:
    proxy = ("--proxy", f"{scheme}://{guarded.proxy_text}", "--proxy-user", user)
    got = fetch_one(programs, *proxy, *options, url=url)
    assert (got.code, got.digest) == (200, file_digest(1, SIZE))
    [asked] = site.asked
    assert "proxy-authorization" not in asked.headers


WRONG = [
    pytest.param(("--proxy-user", "alice:sesame"), id="wrong-password"),
    pytest.param(("--proxy-user", "alice:p:w"), id="somebody-elses-password"),
    pytest.param(("--proxy-user", "eve:open sesame"), id="unknown-user"),
    pytest.param((), id="no-user"),
]


@pytest.mark.parametrize("user", WRONG)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_socks_is_closed_to_others(
    guarded: Pair, programs: Programs, site: Site, url: str, scheme: str, user: tuple[str, ...]
) -> None:
    proxy = f"{scheme}://{guarded.proxy_text}"
    fetched = fetch(programs, "--proxy", proxy, *user, urls=[url])
    assert fetched.status == PROXY_REFUSED, fetched.story
    assert site.asked == []


@pytest.mark.parametrize("user", WRONG)
@pytest.mark.parametrize("scheme", ["socks4", "socks4a"])
def test_socks4_which_has_no_passwords_is_closed_to_all(
    guarded: Pair, programs: Programs, site: Site, url: str, scheme: str, user: tuple[str, ...]
) -> None:
    proxy = f"{scheme}://{guarded.proxy_text}"
    fetched = fetch(programs, "--proxy", proxy, *user, urls=[url])
    assert fetched.status == PROXY_REFUSED, fetched.story
    assert site.asked == []


@pytest.mark.parametrize("user", WRONG)
def test_a_forwarded_request_is_told_to_prove_itself(
    guarded: Pair, programs: Programs, site: Site, url: str, user: tuple[str, ...]
) -> None:
    got = fetch_one(programs, "--proxy", f"http://{guarded.proxy_text}", *user, url=url)
    assert got.code == 407
    assert "password" in got.page
    assert site.asked == []


@pytest.mark.parametrize("user", WRONG)
def test_a_tunnel_is_told_to_prove_itself(
    guarded: Pair, programs: Programs, site: Site, url: str, user: tuple[str, ...]
) -> None:
    proxy = ("--proxy", f"http://{guarded.proxy_text}", "--proxytunnel")
    fetched = fetch(programs, *proxy, *user, urls=[url])
    assert fetched.only.connect_code == 407, fetched.story
    assert "< Proxy-Authenticate: Basic realm=" in fetched.story
    assert site.asked == []


def test_a_client_that_waits_to_be_asked_gets_through(
    guarded: Pair, programs: Programs, site: Site, url: str
) -> None:
    """--proxy-anyauth: the first request is without the password, the second with it."""
    proxy = ("--proxy", f"http://{guarded.proxy_text}", "--proxy-anyauth")
    got = fetch_one(programs, *proxy, "--proxy-user", "alice:open sesame", url=url)
    assert (got.code, got.digest) == (200, file_digest(1, SIZE))
    assert len(site.asked) == 1


def test_the_users_may_stand_in_a_file(start_pair: StartPair, programs: Programs, url: str) -> None:
    users = programs.directory / "users"
    users.write_text("# who may go out\ncarol:from a file\n\n")
    users.chmod(0o600)
    guest = start_pair(guest_options=("--users-file", str(users)))
    proxy = ("--proxy", f"http://{guest.proxy_text}", "--proxy-user", "carol:from a file")
    assert fetch_one(programs, *proxy, url=url).code == 200


def test_the_users_may_stand_in_the_environment(
    start_pair: StartPair, programs: Programs, url: str
) -> None:
    guest = start_pair(environment={"VSOCKS_USERS": "dave:one\ncarol:two"})
    proxy = ("--proxy", f"socks5h://{guest.proxy_text}")
    assert fetch_one(programs, *proxy, "--proxy-user", "carol:two", url=url).code == 200
    assert fetch(programs, *proxy, urls=[url]).status == PROXY_REFUSED
