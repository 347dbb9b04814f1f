"""What the status page and its JSON tell of connections and refusals."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proxy.test_pages import STATUS, whole
from vsocks.proxy.refusals import Refusal
from vsocks.proxy.status import (
    LONGEST_TEXT,
    MOST_LISTED,
    ConnectionStatus,
    ProxyStatus,
    status_json,
    status_page,
)

pytestmark = pytest.mark.unit

CONNECTION = ConnectionStatus(
    number="c7",
    protocol="SOCKS5",
    target="example.com:443",
    sent=1234,
    received=5_000_000,
    sent_rate=0,
    received_rate=12_345,
    seconds=83,
)
DENIED = Refusal("HTTP", "10.0.0.1:80", "the host's policy does not allow it")
BUSY = replace(STATUS, listed=[CONNECTION], refusals=[(DENIED, 3, 7200.0)])


def rows(status: ProxyStatus) -> list[list[str]]:
    """The rows of the page's tables whose first cell is no heading."""
    content = whole(status_page(status))[2]
    lines = re.findall(r"<tr><td>(.*)", content)
    return [[unescape(cell) for cell in line.split("<td>")] for line in lines]


def members(status: ProxyStatus) -> dict[str, Any]:
    """What programs get."""
    told: dict[str, Any] = json.loads(whole(status_json(status))[2])
    return told


def test_a_connection_has_its_row() -> None:
    connection, _ = rows(BUSY)
    assert connection == [
        *("c7", "SOCKS5", "example.com:443"),
        *("1.23 kB", "5 MB", "0 B", "12.3 kB", "1 min 23 s"),
    ]


def test_one_that_waits_for_its_answer_says_so() -> None:
    waiting = replace(STATUS, listed=[replace(CONNECTION, is_answered=False)])
    assert rows(waiting)[0][2] == "example.com:443 (the host has yet to answer)"


def test_a_refusal_has_its_reason_in_words() -> None:
    _, refusal = rows(BUSY)
    assert refusal == [
        *("2 h 0 min ago", "3", "HTTP", "10.0.0.1:80"),
        "the host's policy does not allow it",
    ]


def test_where_nothing_goes_on_the_page_says_that() -> None:
    content = whole(status_page(STATUS))[2]
    assert re.findall("<h2>(.*)</h2>\n<p>(.*)</p>", content) == [
        ("Connections", "none"),
        ("Last refusals", "none"),
    ]


def test_programs_get_exact_numbers() -> None:
    told = members(BUSY)
    assert told["listed"] == [
        {
            "number": "c7",
            "protocol": "SOCKS5",
            "target": "example.com:443",
            "sent": 1234,
            "received": 5_000_000,
            "seconds": 83,
            "answered": True,
        }
    ]
    assert told["refusals"] == [
        {
            "protocol": "HTTP",
            "target": "10.0.0.1:80",
            "reason": "the host's policy does not allow it",
            "count": 3,
            "seconds": 7200,
        }
    ]


def test_who_may_not_know_sees_neither_connections_nor_refusals() -> None:
    hidden = replace(BUSY, hidden="not for <you>")
    content = whole(status_page(hidden))[2]
    assert "<p>not for &lt;you&gt;</p>" in content
    assert "example.com" not in content
    assert "10.0.0.1" not in content
    assert "Connections<td>3 of 64" in content
    told = members(hidden)
    assert not {"listed", "refusals"} & told.keys()
    assert told["connections"] == 3


@given(st.text(st.characters(exclude_categories=[])))
def test_no_text_breaks_the_page(text: str) -> None:
    tags, plain = (
        re.findall(
            "<[^>]*>",
            whole(
                status_page(
                    replace(
                        STATUS,
                        channel=each,
                        session=each,
                        listed=[replace(CONNECTION, target=each, protocol=each)],
                        refusals=[(Refusal(each, each, each), 1, 0.0)],
                    )
                )
            )[2],
        )
        for each in (text, "x")
    )
    assert tags == plain


def test_page_and_json_are_bounded() -> None:
    """The service's own reader of the JSON takes 64 KiB."""
    long = "\N{SNOWMAN}&" * 1000
    connection = replace(CONNECTION, target=long)
    refusal = Refusal("SOCKS5", long, long)
    full = replace(STATUS, listed=[connection] * 1000, refusals=[(refusal, 1, 0.0)] * 20)
    assert len(status_page(full)) < 1 << 17
    assert len(status_json(full)) < 1 << 16
    content = whole(status_page(full))[2]
    assert f"<p>and {1000 - MOST_LISTED} more</p>" in content
    assert content.count("c7") == len(members(full)["listed"]) == MOST_LISTED
    assert len(rows(full)[0][2]) == LONGEST_TEXT


def test_the_page_is_loaded_again_unless_it_is_held_still() -> None:
    assert whole(status_page(STATUS))[1]["refresh"] == "5"
    _, headers, content = whole(status_page(STATUS, "still"))
    assert "refresh" not in headers
    assert 'href="/"' in content


@pytest.mark.parametrize("response", [status_page(BUSY), status_json(BUSY)])
def test_other_sites_can_neither_frame_nor_load_it(response: bytes) -> None:
    headers = whole(response)[1]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_949, "1000 kB"),
        (1_000_000, "1 MB"),
        (123_456_789, "123 MB"),
        (5 * 10**12, "5 TB"),
        (5 * 10**17, "500000 TB"),
    ],
)
def test_sizes_are_for_people(count: int, shown: str) -> None:
    assert rows(replace(STATUS, listed=[replace(CONNECTION, sent=count)]))[0][3] == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3600, "1 h 0 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_times_are_for_people(seconds: float, shown: str) -> None:
    assert rows(replace(STATUS, listed=[replace(CONNECTION, seconds=seconds)]))[0][7] == shown
