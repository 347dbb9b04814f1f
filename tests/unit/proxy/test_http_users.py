"""Users of the HTTP proxy: who has to say who they are, how, and to whom it matters."""

from __future__ import annotations

import pytest

from tests.unit.proxy.http_clients import (
    CONNECT,
    GET,
    PAGE,
    USERS,
    ask,
    basic,
    status_of,
    with_header,
)
from vsocks.proxy.requests import Connect, Forward, Refuse, ShowPage

pytestmark = pytest.mark.unit


def test_users_have_to_say_who_they_are_but_for_the_proxys_own_pages() -> None:
    assert isinstance(ask(PAGE, USERS), ShowPage)
    for data in GET, CONNECT:
        assert status_of(ask(data, USERS)) == 407
        known = with_header(data, "Proxy-Authorization", basic(b"alice:s:cret"))
        assert isinstance(ask(known, USERS), Forward | Connect)


def test_nobody_has_to_say_anything_when_there_are_no_users() -> None:
    data = with_header(GET, "Proxy-Authorization", "nonsense")
    assert isinstance(ask(data), Forward)


@pytest.mark.parametrize(
    "value",
    [
        basic(b"alice:wrong"),
        basic(b"bob:s:cret"),
        basic(b"alice"),
        basic(b""),
        "Basic",
        "Basic !",
        "Basic YWxpY2U6czpjcmV",
        "Basic YWxpY2U6 czpjcmV0",
        "Basic \xe4",
        "Bearer YWxpY2U6czpjcmV0",
        "YWxpY2U6czpjcmV0",
        "",
    ],
)
def test_wrong_credentials_are_refused(value: str) -> None:
    event = ask(with_header(GET, "Proxy-Authorization", value), USERS)
    assert status_of(event) == 407
    assert isinstance(event, Refuse)
    assert b'\r\nProxy-Authenticate: Basic realm="vsocks", charset="UTF-8"\r\n' in event.data
    assert "s:cret" not in event.reason


def test_credentials_are_given_once() -> None:
    value = basic(b"alice:s:cret")
    once = with_header(GET, "Proxy-Authorization", value.replace("Basic", "bAsIc"))
    assert isinstance(ask(once, USERS), Forward)
    assert status_of(ask(with_header(once, "Proxy-Authorization", value), USERS)) == 407
