"""Requests and answers as lines: one object of JSON each, in ASCII, of bounded length.

{"version": 1, "request": "check", "target": "example.com:443"}
{"version": 1, "item": "judgement", "address": ..., ...}
{"version": 1, "end": "done"}

Whoever answers ignores nothing: a request, or a field of one, that it doesn't know is an error.
Whoever asks ignores fields and items that it doesn't know, so an answer may grow within a version.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, Final, NoReturn, TypeVar, get_args, get_type_hints

from vsocks.control.messages import (
    ITEMS,
    REQUESTS,
    Answer,
    Done,
    Failed,
    Item,
    Request,
)
from vsocks.errors import UsageError, printable

VERSION: Final = 1
#: Bytes of a line, with its line feed.
LONGEST_REQUEST: Final = 4096
LONGEST_ANSWER: Final = 64 * 1024
#: Characters of somebody's text that an error shows.
_SHOWN: Final = 40

T = TypeVar("T")
_REQUEST_NAMES: Final = {kind: name for name, kind in REQUESTS.items()}
_ITEM_NAMES: Final = {kind: name for name, kind in ITEMS.items()}
#: The types of each field, by its name.
_TYPES: Final[dict[type, dict[str, tuple[type, ...]]]] = {
    kind: {name: get_args(hint) or (hint,) for name, hint in get_type_hints(kind).items()}
    for kind in (*REQUESTS.values(), *ITEMS.values(), Failed)
}


class ControlError(UsageError):
    """A line that is none of this protocol; the text says what is wrong with it."""


def request_line(request: Request) -> bytes:
    """The line that asks for it. Raises ControlError if it is too long."""
    return _line(LONGEST_REQUEST, request=_REQUEST_NAMES[type(request)], **_told(request))


def answer_line(answer: Answer) -> bytes:
    """A line of an answer. Raises ControlError if it is too long."""
    match answer:
        case Done():
            return _line(LONGEST_ANSWER, end="done")
        case Failed():
            return _line(LONGEST_ANSWER, end="failed", **_told(answer))
        case _:
            return _line(LONGEST_ANSWER, item=_ITEM_NAMES[type(answer)], **_told(answer))


def item_text(item: Item) -> str:
    """An item for programs that read a command's output: as on the socket, but for the version."""
    return _json({"item": _ITEM_NAMES[type(item)], **_told(item)})


def parse_request(line: bytes) -> Request:
    """What a line asks for. Raises ControlError, and nothing else for any bytes."""
    told = _object(line, LONGEST_REQUEST)
    kind = REQUESTS.get(name := _text(told.pop("request", None)))
    if kind is None:
        _wrong(f"no request is called '{name}': there are {', '.join(REQUESTS)}")
    for each in told:
        if each not in _TYPES[kind]:
            _wrong(f"'{name}' has no field '{_text(each)}'")
    return _made(kind, told)


def parse_answer(line: bytes) -> Answer | None:
    """What a line of an answer says; None for an item that is not known here.

    Raises ControlError, and nothing else for any bytes.
    """
    told = _object(line, LONGEST_ANSWER)
    match told.pop("end", None):
        case "done":
            return Done()
        case "failed":
            return _made(Failed, told)
        case None:
            name = told.pop("item", None)
        case _:
            name = None
    if not isinstance(name, str):
        _wrong("it is neither an item nor an end")
    kind = ITEMS.get(name)
    return None if kind is None else _made(kind, told)


class Lines:
    """Takes bytes as they come and gives whole lines, without their line feeds."""

    def __init__(self, longest: int) -> None:
        """``longest`` is in bytes, with the line feed; no more than that is kept."""
        self._longest = longest
        self._rest = b""

    def add(self, data: bytes) -> Iterator[bytes]:
        """The lines that are whole now. Raises ControlError if one is too long."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if any(len(line) >= self._longest for line in (*lines, self._rest)):
            self._rest = b""
            _wrong(f"a line has more than {self._longest} bytes")
        return iter(lines)


def _told(message: Any) -> dict[str, Any]:
    return {field.name: getattr(message, field.name) for field in fields(message)}


def _line(longest: int, **told: Any) -> bytes:
    line = _json({"version": VERSION, **told}).encode("ascii") + b"\n"
    if len(line) > longest:
        _wrong(f"it would have more than {longest} bytes")
    return line


def _json(told: dict[str, Any]) -> str:
    # JSON leaves DEL as it is.
    return json.dumps(told).replace("\x7f", "\\u007f")


def _object(line: bytes, longest: int) -> dict[str, Any]:
    """The object that a line is, without the version."""
    if len(line) > longest:
        _wrong(f"it has more than {longest} bytes")
    try:
        told = json.loads(line, parse_constant=_wrong)
    except (ValueError, RecursionError):
        _wrong("it is no JSON")
    if not isinstance(told, dict):
        _wrong("it is no object")
    version = told.pop("version", None)
    if type(version) is not int or version != VERSION:
        _wrong(f"its version is {_text(version)}, and {VERSION} is spoken here")
    return told


def _made(kind: type[T], told: dict[str, Any]) -> T:
    """A message of what a line says; what is of no such field is left out."""
    values = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in told:
            values[field.name] = _checked(told[field.name], field.name, _TYPES[kind][field.name])
        elif field.default is MISSING:
            _wrong(f"'{field.name}' is missing")
    return kind(**values)


def _checked(value: object, name: str, types: tuple[type, ...]) -> object:
    if float in types and type(value) is int and abs(value) < 1 << 53:
        return float(value)
    if type(value) not in types:
        _wrong(f"'{name}' can't be {_text(value)}")
    return value


def _text(value: object) -> str:
    """Somebody's value, for an error."""
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except (ValueError, RecursionError):
        text = "what it is"
    return printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _wrong(what: str) -> NoReturn:
    raise ControlError(f"not understood: {what}")
