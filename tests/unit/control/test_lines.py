"""The lines of the control socket: whatever comes, it is a message or one kind of error."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.control.lines import (
    LONGEST_ANSWER,
    LONGEST_REQUEST,
    ControlError,
    Lines,
    answer_line,
    item_text,
    parse_answer,
    parse_request,
    request_line,
)
from vsocks.control.messages import (
    ITEMS,
    REQUESTS,
    Answer,
    Check,
    Close,
    Daemon,
    Done,
    Failed,
    Item,
    Request,
    Status,
    error_of,
    failed_by,
)
from vsocks.errors import (
    BusyError,
    ChannelError,
    ForbiddenError,
    UnavailableError,
    UsageError,
    VsocksError,
)

pytestmark = pytest.mark.unit

#: JSON has no others.
finite = st.floats(allow_nan=False, allow_infinity=False)


def made(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any of a kind."""
    floats = {"float": finite, "float | None": st.none() | finite}
    given = {each.name: floats[str(each.type)] for each in fields(kind) if str(each.type) in floats}
    return st.builds(kind, **given)


requests: st.SearchStrategy[Request] = st.one_of(*(made(kind) for kind in REQUESTS.values()))
items: st.SearchStrategy[Item] = st.one_of(*(made(kind) for kind in ITEMS.values()))
answers: st.SearchStrategy[Answer] = st.one_of(
    items, st.just(Done()), st.builds(Failed, st.text(), st.text())
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(requests)
def test_a_request_comes_as_it_was_sent(request: Request) -> None:
    try:
        line = request_line(request)
    except ControlError:
        return  # too long
    assert line.isascii()
    assert len(line) <= LONGEST_REQUEST
    assert line.index(b"\n") == len(line) - 1
    assert parse_request(line) == request


@given(answers)
def test_an_answer_comes_as_it_was_sent(answer: Answer) -> None:
    line = answer_line(answer)
    assert line.isascii()
    assert len(line) <= LONGEST_ANSWER
    assert line.index(b"\n") == len(line) - 1
    assert parse_answer(line) == answer


@given(items)
def test_a_program_reads_what_the_socket_says(item: Item) -> None:
    told = json.loads(item_text(item))
    assert {"version": 1, **told} == json.loads(answer_line(item))
    assert item_text(item).isprintable()


@given(st.binary())
def test_any_bytes_are_no_more_than_an_error(line: bytes) -> None:
    for parse in (parse_request, parse_answer):
        with pytest.raises(ControlError, match=r"^not understood: ") as raised:
            parse(line)
        assert str(raised.value).isprintable()


@given(
    st.fixed_dictionaries(
        {"version": st.just(1) | json_values},
        optional={
            "request": st.sampled_from(sorted(REQUESTS)) | json_values,
            "item": st.sampled_from(sorted(ITEMS)) | json_values,
            "end": st.sampled_from(["done", "failed"]) | json_values,
            **{
                field.name: json_values
                for kind in (*REQUESTS.values(), *ITEMS.values(), Failed)
                for field in fields(kind)
            },
        },
    )
)
def test_any_object_is_a_message_or_an_error(told: dict[str, Any]) -> None:
    line = json.dumps(told).encode()
    for parse in (parse_request, parse_answer):
        problem = ""
        try:
            parse(line)
        except ControlError as error:
            problem = str(error)
        assert len(problem) < 300
        assert problem.isprintable() or not problem


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "it is no JSON"),
        (b"[" * 4000, "it is no JSON"),
        (b"status", "it is no JSON"),
        (b'{"version": NaN, "request": "status"}', "not understood: NaN"),
        (b"[1]", "it is no object"),
        (b'{"request": "status"}', "its version is null, and 1 is spoken here"),
        (b'{"version": 2, "request": "status"}', "its version is 2, and 1"),
        (b'{"version": true, "request": "status"}', "its version is true"),
        (b'{"version": 1}', "no request is called 'null': there are status, connections,"),
        (b'{"version": 1, "request": "stop"}', "no request is called 'stop'"),
        (b'{"version": 1, "request": "status", "all": 1}', "'status' has no field 'all'"),
        (b'{"version": 1, "request": "close"}', "'id' is missing"),
        (b'{"version": 1, "request": "close", "id": "3"}', "'id' can't be 3"),
        (b'{"version": 1, "request": "close", "id": true}', "'id' can't be true"),
        (b'{"version": 1, "request": "close", "id": 3.0}', "'id' can't be 3.0"),
        (b'{"version": 1, "request": "check", "target": null}', "'target' can't be null"),
        (b" " * 5000, "it has more than 4096 bytes"),
    ],
)
def test_what_is_wrong_is_said(line: bytes, problem: str) -> None:
    with pytest.raises(ControlError) as raised:
        parse_request(line)
    assert problem in str(raised.value)


def test_what_is_new_in_an_answer_is_passed_over() -> None:
    failed = b'{"version": 1, "end": "failed", "kind": "new", "text": "why", "more": [1]}'
    assert parse_answer(failed) == Failed("new", "why")
    assert parse_answer(b'{"version": 1, "item": "new", "what": 1}') is None


def test_whole_seconds_may_be_written_without_a_fraction() -> None:
    daemon = b'{"version": 1, "item": "daemon", "release": "1", "pid": 1, "seconds": 2}'
    assert parse_answer(daemon) == Daemon("1", 1, 2.0)


def test_a_request_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ControlError, match="more than 4096 bytes"):
        request_line(Check("x" * 5000))


@given(st.lists(requests, max_size=5), st.data())
def test_lines_are_found_however_they_are_cut(sent: list[Request], data: st.DataObject) -> None:
    lines = [request_line(each) for each in sent if len(str(each)) < 500]
    whole = b"".join(lines)
    found: list[bytes] = []
    buffer, at = Lines(LONGEST_REQUEST), 0
    while at < len(whole):
        size = data.draw(st.integers(1, len(whole) - at))
        found += buffer.add(whole[at : at + size])
        at += size
    assert [line + b"\n" for line in found] == lines


@pytest.mark.parametrize("data", [b"x" * 10, b"x" * 10 + b"\n", b"\n" + b"x" * 20])
def test_a_line_that_is_too_long_is_not_kept(data: bytes) -> None:
    lines = Lines(10)
    assert list(lines.add(b"123456789\n")) == [b"123456789"]
    with pytest.raises(ControlError, match="more than 10 bytes"):
        lines.add(data)
    assert list(lines.add(b"\n")) == [b""]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ControlError("why"), UsageError),
        (ChannelError("why"), UnavailableError),
        (ForbiddenError("why"), ForbiddenError),
        (BusyError("why"), VsocksError),
    ],
)
def test_an_error_is_of_its_kind_again(error: VsocksError, kind: type[VsocksError]) -> None:
    again = error_of(failed_by(error))
    assert type(again) is kind
    assert str(again) == "why"


def test_an_error_is_shown_as_it_can_be() -> None:
    assert str(error_of(Failed("news", "a\x1b[2Jb\nc"))) == "a?[2Jb?c"


def test_requests_without_fields_are_short() -> None:
    assert request_line(Status()) == b'{"version": 1, "request": "status"}\n'
    assert request_line(Close(3)) == b'{"version": 1, "request": "close", "id": 3}\n'
