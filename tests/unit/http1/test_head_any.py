"""The heads of messages: the same in any split, and the same to h11 as to us."""

from __future__ import annotations

import re
from urllib.parse import quote

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.http1.pieces import (
    CUTS,
    METHODS,
    TOKENS,
    VALUES,
    ask_h11,
    cut,
    damaged,
    head_bytes,
    read_request,
    read_response,
)
from vsocks.http1.errors import HttpError
from vsocks.http1.head import RequestHead, ResponseHead
from vsocks.http1.reading import RequestReader, ResponseReader

pytestmark = pytest.mark.unit

HEADERS = st.lists(st.tuples(TOKENS, VALUES), max_size=6)
REQUESTS = st.builds(
    lambda method, path, minor, headers: head_bytes(
        f"{method} http://h/{path} HTTP/1.{minor}", ("Host", "h"), *headers
    ),
    METHODS,
    st.text("abc/?#%&=~", max_size=8),
    st.integers(0, 1),
    HEADERS,
)
RESPONSES = st.builds(
    lambda minor, status, reason, headers: head_bytes(
        f"HTTP/1.{minor} {status} {reason}", *headers
    ),
    st.integers(0, 1),
    st.integers(200, 599),
    VALUES,
    HEADERS,
)
MAYBE_DAMAGED = damaged(REQUESTS) | REQUESTS | st.binary(max_size=60)
MAYBE_DAMAGED_RESPONSES = damaged(RESPONSES) | RESPONSES


def outcome(reader: RequestReader | ResponseReader, pieces: list[bytes]) -> object:
    """The head, None, or the error."""
    try:
        for piece in pieces:
            head, used = reader.receive(memoryview(piece))
            if head is not None:
                return head, used
    except HttpError as error:
        return error.status, error.reason
    return None


@given(MAYBE_DAMAGED, CUTS)
def test_any_split_of_a_request_gives_the_same(data: bytes, cuts: list[float]) -> None:
    whole = outcome(RequestReader(max_head_size=120), [data])
    parts = outcome(RequestReader(max_head_size=120), list(cut(data, cuts)))
    if isinstance(whole, tuple) and isinstance(whole[0], RequestHead):
        assert isinstance(parts, tuple)
        assert parts[0] == whole[0]
    else:
        assert parts == whole


@given(MAYBE_DAMAGED_RESPONSES, CUTS)
def test_any_split_of_a_response_gives_the_same(data: bytes, cuts: list[float]) -> None:
    whole = outcome(ResponseReader(max_head_size=120), [data])
    parts = outcome(ResponseReader(max_head_size=120), list(cut(data, cuts)))
    if isinstance(whole, tuple) and isinstance(whole[0], ResponseHead):
        assert isinstance(parts, tuple)
        assert parts[0] == whole[0]
    else:
        assert parts == whole


@given(MAYBE_DAMAGED | st.binary())
def test_what_is_wrong_is_told_in_one_printable_line(data: bytes) -> None:
    match outcome(RequestReader(), [data]):
        case int(), str(reason):
            assert reason.isprintable()


@given(REQUESTS)
def test_every_proper_request_is_read(data: bytes) -> None:
    assert read_request([data])[0]


CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
FRAMING = {"content-length", "transfer-encoding"}


@given(MAYBE_DAMAGED)
def test_what_is_a_request_to_us_is_the_same_request_to_h11(data: bytes) -> None:
    try:
        head, _ = read_request([data])
    except HttpError:
        return
    # h11 judges Host and the framing with the head; here others do.
    if head is None or len(head.values("host")) != 1:
        return
    if any(name.lower() in FRAMING for name, _ in head.headers):
        return
    # h11 takes neither empty lines before a request nor a target that isn't ASCII.
    line, end, rest = data.lstrip(b"\r\n").partition(b"\n")
    oracle = ask_h11(quote(line, safe=bytes(range(0x80))).encode() + end + rest)
    assert oracle
    assert isinstance(oracle.head, h11.Request)
    assert oracle.head.method.decode() == head.method
    assert oracle.head.target.decode() == head.target
    assert oracle.head.http_version.decode() == "{}.{}".format(*head.version)
    assert oracle.headers == list(head.headers)


@given(MAYBE_DAMAGED_RESPONSES)
def test_what_is_a_response_to_us_is_the_same_response_to_h11(data: bytes) -> None:
    """As it came where h11 takes it, and as it is written anew where only we do."""
    try:
        head, _ = read_response([data])
    except HttpError:
        return
    if head is None or any(name.lower() in FRAMING for name, _ in head.headers):
        return
    anew = head_bytes(f"HTTP/1.1 {head.status} {head.reason}", *head.headers)
    for oracle in ask_h11(data, method="GET", ended=True), ask_h11(anew, method="GET", ended=True):
        if oracle is not None:
            assert isinstance(oracle.head, h11.Response)
            assert oracle.head.status_code == head.status
            assert oracle.head.reason.decode("latin-1") == head.reason
            # h11 lets control bytes be in a value; here they make its line none.
            plain = [each for each in oracle.headers if not CONTROL.search(each[1])]
            assert plain == list(head.headers)
    assert oracle is not None, "what is written anew is a response to everybody"
