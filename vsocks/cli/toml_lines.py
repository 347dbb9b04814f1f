"""Where the keys of a TOML file stand: tomllib gives their values alone."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str, ...]

#: What is one piece where brackets, commas and ends of lines are looked for.
_PIECE: Final = re.compile(
    r"""
      (?P<text> \"{3} (?:\\.|[^\\])*? \"{3,5} | '{3} .*? '{3,5}
              | "(?:\\.|[^"\\\n])*" | '[^'\n]*' )
    | (?P<comment> \#[^\n]* )
    | (?P<end> \n )
    | (?P<sign> [\[\]{},=] )
    | (?P<word> [^\s"'\#\[\]{},=]+ )
    | (?P<space> [^\S\n]+ )
    """,
    re.DOTALL | re.VERBOSE,
)


@dataclass(slots=True)
class _Statement:
    """A line, or several where a value goes on: the header of a table, or a key with its value."""

    line: int
    #: What stands before the first "=" that is in no brackets.
    key: str = ""
    has_value: bool = False
    #: Where each entry of the value begins, if that is a list.
    entries: list[int] = field(default_factory=list)


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, of each table, key and entry of a list: ("machine", "a", "rules", "0").

    ``text`` is TOML that tomllib has read. A key within an inline table has the line of the whole.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    for statement in _statements(text):
        if not statement.has_value:
            table = _path(statement.key.strip("[] \t\r"))
            lines.setdefault(table, statement.line)
            continue
        path = table + _path(statement.key)
        for end in range(len(table) + 1, len(path) + 1):
            lines.setdefault(path[:end], statement.line)
        lines.update({(*path, str(n)): line for n, line in enumerate(statement.entries)})
    return lines


def _statements(text: str) -> Iterator[_Statement]:
    line, depth, begins_entry = 1, 0, False
    statement: _Statement | None = None
    for piece in _PIECE.finditer(text):
        kind, word = piece.lastgroup, piece[0]
        if kind == "end" and depth == 0 and statement is not None:
            yield statement
            statement = None
        elif kind not in {"end", "comment", "space"}:
            if statement is None:
                statement, begins_entry = _Statement(line), False
            if not statement.has_value and word == "=":
                statement.has_value = True
            elif not statement.has_value:
                statement.key += word
            else:
                if begins_entry and word != "]":
                    statement.entries.append(line)
                begins_entry = (word == "[" and depth == 0) or (word == "," and depth == 1)
            depth += (word in {"[", "{"}) - (word in {"]", "}"})
        line += word.count("\n")
    if statement is not None:
        yield statement


def _path(key: str) -> Path:
    """The names in a key, which may be quoted and dotted."""
    names: list[str] = []
    value: object = tomllib.loads(f"{key} = 0")
    while isinstance(value, dict):
        [(name, value)] = value.items()
        names.append(name)
    return tuple(names)
