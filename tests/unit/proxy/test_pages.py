"""The proxy's own pages: whole, harmless, and with what a program needs to know."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.http1.pieces import ask_h11
from vsocks.address import Target
from vsocks.http1.head import RequestHead
from vsocks.proxy.local import local_page, proxy_pac
from vsocks.proxy.pages import failure_page, status_for
from vsocks.proxy.status import ProxyStatus
from vsocks.reply import Reply

pytestmark = pytest.mark.unit

STATUSES = [400, 403, 404, 405, 407, 408, 431, 501, 502, 503, 504, 505]
STATUS = ProxyStatus(
    version="1.2.3",
    address=Target("127.0.0.1", 1080),
    down="",
    connections=3,
    max_connections=64,
    associations=1,
    max_associations=16,
    dropped=7,
    channel="virtio:org.vsocks.0",
    channel_open=True,
    session="our own wire, 64 streams",
    session_seconds=200.0,
    sent=1500,
    received=2_000_000,
    received_rate=99.6,
)


def whole(data: bytes, method: str = "GET") -> tuple[int, dict[str, str], str]:
    """ProxyStatus, headers and content of a response that is the last on its connection."""
    oracle = ask_h11(data, method=method)
    assert oracle
    assert oracle.is_complete
    assert oracle.rest == b""
    assert isinstance(oracle.head, h11.Response)
    headers = {name.lower(): value for name, value in oracle.headers}
    assert len(headers) == len(oracle.headers)
    assert headers["connection"] == "close"
    assert headers["cache-control"] == "no-store"
    if method != "HEAD":
        assert int(headers["content-length"]) == len(oracle.content)
    return oracle.head.status_code, headers, oracle.content.decode()


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_has_a_whole_page_that_says_why(status: int) -> None:
    code, headers, content = whole(failure_page(status, "because of <this> & “that”"))
    assert code == status
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "<p>because of &lt;this&gt; &amp; “that”</p>" in content
    assert f"<h1>{status} " in content
    assert len(re.findall("<p>", content)) >= 3


def test_a_status_without_a_page_becomes_bad_gateway() -> None:
    assert whole(failure_page(418))[0] == 502


def test_some_statuses_tell_programs_what_to_do() -> None:
    assert (
        whole(failure_page(407))[1]["proxy-authenticate"] == 'Basic realm="vsocks", charset="UTF-8"'
    )
    assert whole(failure_page(405))[1]["allow"] == "GET, HEAD"


def test_a_page_for_head_has_the_length_of_the_page_for_get() -> None:
    _, headers, content = whole(failure_page(404, method="HEAD"), "HEAD")
    assert headers["content-length"] == whole(failure_page(404))[1]["content-length"]
    assert content == ""


@given(st.sampled_from(STATUSES), st.text(st.characters(exclude_categories=[]), min_size=1))
@example(400, "\ud800")
def test_no_reason_breaks_a_page(status: int, reason: str) -> None:
    tags, plain = (re.findall("<[^>]*>", whole(failure_page(status, r))[2]) for r in (reason, "x"))
    assert tags == plain


def test_control_characters_are_not_shown() -> None:
    assert "<p>a?[2J?b</p>" in whole(failure_page(400, "a\x1b[2J\0b"))[2]


@pytest.mark.parametrize("reply", [reply for reply in Reply if reply])
def test_every_refusal_has_a_status(reply: Reply) -> None:
    expected = {Reply.NOT_ALLOWED: 403, Reply.TTL_EXPIRED: 504, Reply.COMMAND_NOT_SUPPORTED: 501}
    assert status_for(reply) == expected.get(reply, 502)


def page(
    target: str, status: ProxyStatus = STATUS, method: str = "GET", host: str = "127.0.0.1:1080"
) -> tuple[int, str, str]:
    """Status, type and content of one of the proxy's own pages."""
    data = local_page(RequestHead(method, target, (1, 1), (("Host", host),)), status)
    code, headers, content = whole(data, method)
    return code, headers["content-type"], content


def test_the_status_page_shows_how_the_proxy_is() -> None:
    code, kind, content = page("/")
    assert (code, kind) == (200, "text/html; charset=utf-8")
    cells = dict(re.findall("<th>(.*)<td>(.*)", content))
    assert cells == {
        "Channel": "virtio:org.vsocks.0, open",
        "Session with the host": "up",
        "Since": "3 min 20 s ago, our own wire, 64 streams",
        "Sent": "1.5 kB, 0 B/s",
        "Received": "2 MB, 100 B/s",
        "Connections": "3 of 64",
        "UDP associations": "1 of 16",
        "Datagrams dropped": "7",
        "Proxy for HTTP and SOCKS": "127.0.0.1:1080",
        "Version": "1.2.3",
    }
    assert 'href="/proxy.pac"' in content


def test_programs_get_the_status_as_json() -> None:
    code, kind, content = page("/status.json")
    assert (code, kind) == (200, "application/json")
    assert json.loads(content) == {
        "version": "1.2.3",
        "address": "127.0.0.1:1080",
        "channel": "virtio:org.vsocks.0",
        "channel_open": True,
        "session": True,
        "session_seconds": 200.0,
        "sent": 1500,
        "received": 2_000_000,
        "listed": [],
        "refusals": [],
        "connections": 3,
        "max_connections": 64,
        "associations": 1,
        "max_associations": 16,
        "dropped": 7,
    }
    down = replace(STATUS, down="why", channel_open=False)
    told = json.loads(page("/status.json", down)[2])
    assert (told["session"], told["channel_open"]) == (False, False)


def test_the_status_page_says_why_there_is_no_session() -> None:
    content = page("/", replace(STATUS, down="no host <yet>"))[2]
    assert "none: no host &lt;yet&gt;" in content


@pytest.mark.parametrize(
    ("host", "proxy"), [("127.0.0.1", "127.0.0.1:1080"), ("::1", "[::1]:1080")]
)
def test_the_pac_file_names_the_proxy_for_all_but_this_machine(host: str, proxy: str) -> None:
    code, kind, content = page("/proxy.pac?x", replace(STATUS, address=Target(host, 1080)))
    assert (code, kind) == (200, "application/x-ns-proxy-autoconfig")
    assert f'return "PROXY {proxy}; SOCKS5 {proxy}";' in content
    assert content.startswith("function FindProxyForURL(url, host) {\n")
    assert content.count("{") == content.count("}") == 2
    assert r"/^127\.\d+\.\d+\.\d+$/.test(host)" in content
    assert content == whole(proxy_pac(host, 1080))[2]


@pytest.mark.parametrize("target", ["/", "/status.json", "/proxy.pac"])
@pytest.mark.parametrize("host", ["evil.test", "evil.test:1080", "127.0.0.1.evil.test", "[::1"])
def test_a_name_that_points_here_gets_no_page(target: str, host: str) -> None:
    """Its owner's scripts could read it."""
    code, _, content = page(target, host=host)
    assert code == 403
    assert "Version" not in content
    assert "session" not in content
    assert "FindProxyForURL" not in content


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1080", "127.0.0.1", "[::1]:1080", ""])
def test_an_address_and_localhost_get_the_pages(host: str) -> None:
    assert page("/", host=host)[0] == page("/proxy.pac", host=host)[0] == 200


def test_no_page_is_a_script_or_has_one() -> None:
    headers = whole(failure_page(404))[1]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


def test_other_pages_and_methods_are_refused() -> None:
    assert page("/other")[0] == 404
    assert page("//")[0] == 404
    assert page("*", method="OPTIONS")[0] == 405
    assert page("/", method="POST")[0] == 405
    assert page("/" + "x" * 5000)[2].count("x") < 100


@pytest.mark.parametrize("target", ["/", "/status.json", "/proxy.pac", "/other"])
def test_head_gets_the_heads_of_the_pages(target: str) -> None:
    code, kind, content = page(target, method="HEAD")
    assert (code, kind) == page(target)[:2]
    assert content == ""
