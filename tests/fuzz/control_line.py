"""Any line on the control socket, as a request and as an answer."""

from __future__ import annotations

from vsocks.control.lines import (
    LONGEST_REQUEST,
    ControlError,
    Lines,
    answer_line,
    parse_answer,
    parse_request,
    request_line,
)
from vsocks.control.messages import ITEMS, REQUESTS


def run(data: bytes) -> None:
    lines = Lines(LONGEST_REQUEST)
    try:
        whole = list(lines.add(data))
    except ControlError as error:
        check_error(error)
        whole = [data]
    for line in whole:
        check_line(line)


def check_line(line: bytes) -> None:
    try:
        request = parse_request(line)
    except ControlError as error:
        check_error(error)
    else:
        assert parse_request(request_line(request)) == request
    try:
        answer = parse_answer(line)
    except ControlError as error:
        check_error(error)
    else:
        assert answer is None or parse_answer(answer_line(answer)) == answer


def check_error(error: ControlError) -> None:
    assert str(error).isprintable()
    assert len(str(error)) < 300


FIELDS = b'"id": 1, "machine": "m", "target": "x:80", "forward": "1:h:2", "listen": "1"'
SEEDS = [
    *(b'{"version": 1, "request": "%s"}\n' % name.encode() for name in REQUESTS),
    *(b'{"version": 1, "request": "%s", %s}\n' % (name.encode(), FIELDS) for name in REQUESTS),
    *(b'{"version": 1, "item": "%s", "seconds": 1e3}\n' % name.encode() for name in ITEMS),
    b'{"version": 1, "item": "forward", "machine": "m", "listen": "h:1", "target": "g:2"}\n',
    b'{"version": 1, "end": "done"}\n{"version": 1, "end": "failed", "kind": "k", "text": ""}\n',
]
