"""What a request's target names, and what can't be one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import Target, encode_address
from vsocks.http1.errors import HttpError
from vsocks.http1.uri import Resource, is_absolute, parse_authority, parse_resource

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("uri", "target", "host", "path"),
    [
        ("http://example.com/", Target("example.com", 80), "example.com", "/"),
        ("HTTP://Example.com/a?b=c", Target("Example.com", 80), "Example.com", "/a?b=c"),
        ("http://example.com", Target("example.com", 80), "example.com", ""),
        ("http://example.com:8080/a", Target("example.com", 8080), "example.com:8080", "/a"),
        ("http://example.com:/a", Target("example.com", 80), "example.com", "/a"),
        ("http://example.com?a/b", Target("example.com", 80), "example.com", "/?a/b"),
        ("http://example.com/a#b", Target("example.com", 80), "example.com", "/a"),
        ("http://example.com#/b", Target("example.com", 80), "example.com", ""),
        ("http://u:p%40@example.com/a@b", Target("example.com", 80), "example.com", "/a@b"),
        ("http://192.0.2.1:81/", Target("192.0.2.1", 81), "192.0.2.1:81", "/"),
        ("http://[2001:DB8::1]/", Target("2001:db8::1", 80), "[2001:DB8::1]", "/"),
        ("http://[::1]:8080", Target("::1", 8080), "[::1]:8080", ""),
        ("http://a_b.example/", Target("a_b.example", 80), "a_b.example", "/"),
        ("http://example.com/<|>\\", Target("example.com", 80), "example.com", "/<|>\\"),
    ],
)
def test_an_absolute_uri_names_a_server_and_a_path(
    uri: str, target: Target, host: str, path: str
) -> None:
    assert is_absolute(uri)
    assert parse_resource(uri) == Resource(target, host, path)


@pytest.mark.parametrize(
    "uri",
    [
        "http://",
        "http:///path",
        "http://:80/",
        "http://@/",
        "http://u@/",
        "http://host:0/",
        "http://host:65536/",
        "http://host:999999/",
        "http://host:+80/",
        "http://host:8_0/",
        "http://host:80:80/",
        "http://::1/",
        "http://[::1/",
        "http://::1]/",
        "http://[::1]x/",
        "http://[fe80::1%25eth0]/",
        "http://[192.0.2.1]/",
        "http://[v1.x]/",
        "http://[[::1]]/",
        "http://ho%73t/",
        "http://good\\@evil/",
        "http://a@b@c/",
        "http://host\\evil/",
        "http://ho\x00st/",
        "http://" + "a" * 256 + "/",
        "http:/host/",
        "host:80",
        "/path",
    ],
)
def test_what_names_no_server_is_refused(uri: str) -> None:
    with pytest.raises(HttpError) as raised:
        parse_resource(uri)
    assert raised.value.status == 400
    assert raised.value.reason.isprintable()


@pytest.mark.parametrize(
    ("uri", "status"),
    [("https://a/", 400), ("HTTPS://a/", 400), ("wss://a/", 400), ("ftp://a/", 501)],
)
def test_other_schemes_are_refused_with_the_hint_to_use_connect(uri: str, status: int) -> None:
    with pytest.raises(HttpError, match="CONNECT") as raised:
        parse_resource(uri)
    assert raised.value.status == status


def test_connect_needs_a_host_and_a_port() -> None:
    assert parse_authority("example.com:443") == Target("example.com", 443)
    assert parse_authority("[::1]:443") == Target("::1", 443)
    for text in "example.com", "example.com:", ":443", "u@example.com:443", "a:443/", "::1:443":
        with pytest.raises(HttpError) as raised:
            parse_authority(text)
        assert raised.value.status == 400


URIS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30)


@given(URIS | URIS.map(lambda text: "http://" + text))
def test_any_text_is_refused_or_names_a_target_that_can_be_dialled(text: str) -> None:
    for parse in parse_authority, lambda text: parse_resource(text).target:
        try:
            target = parse(text)
        except HttpError:
            continue
        assert encode_address(target)
        assert target.port
