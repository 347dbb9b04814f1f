"""Options of the guest daemon's command line, written down as its configuration file."""

from __future__ import annotations

import argparse
import json
import re
from typing import TYPE_CHECKING, Any, Final

from vsocks.cli.arguments import Parser
from vsocks.cli.guest_options import add_guest_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: TOML takes no number that begins with a zero.
_NUMBER: Final = re.compile(r"0|[1-9][0-9]*(\.[0-9]+)?")

Given = dict[str, Any]
"""What was given, by the options' long names: a text, a list of them, or how often."""


def given_options(words: Sequence[str]) -> Given:
    """The options that stand in ``words``, which are known to make sense, as they were typed."""
    parser = Parser(argument_default=argparse.SUPPRESS)
    add_guest_options(parser)
    parser.complete = None
    names = {}
    for action in parser.options:
        action.type, action.choices, action.default = None, None, argparse.SUPPRESS
        names[action.dest] = action.option_strings[-1].removeprefix("--")
    return {names[dest]: value for dest, value in vars(parser.parse_args(words)).items()}


def toml_of(given: Mapping[str, Any]) -> str:
    """The file's text."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in given.items())


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    text = str(value)
    return text if _NUMBER.fullmatch(text) else _text(text)


def _text(value: str) -> str:
    """A text in quotes: JSON's are TOML's, but for a character that TOML wants to be escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
