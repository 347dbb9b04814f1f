"""From a table of a configuration file to the values of options, by the parser of the options.

Each long option has its key, which is its name without the dashes, but for those in NO_KEYS.
"""

from __future__ import annotations

import argparse
import difflib
import enum
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vsocks.errors import UsageError, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from vsocks.cli.config_file import ConfigFile, Table
    from vsocks.cli.toml_lines import Path

#: Values by the options' ``dest``.
Values = dict[str, Any]

NO_KEYS: Final = {
    "help": "it is for the command line",
    "version": "it is for the command line",
    "config": "a file names no other",
    "user": 'passwords stay out of it: name a file of them, users-file = "PATH"',
    "allow": 'write it as rules = ["allow …", "deny …"]: the order decides',
    "deny": 'write it as rules = ["deny …", "allow …"]: the order decides',
}
"""Options without a key, and what to do instead."""

_LEAST_LIKENESS: Final = 0.6


class Form(enum.Enum):
    """What stands behind the "=" of a key."""

    ONE = "text in quotes, or a number"
    LIST = "a list"
    FLAG = "true or false"
    COUNT = "true, false or a number from 0"


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a file."""

    #: The option's, in the namespace.
    dest: str
    form: Form
    #: A value, or an entry of a list, from its text; raises what an option's type does.
    parse: Callable[[str], Any] = str
    choices: Sequence[str] = ()
    #: What ``true`` means, if it is a flag.
    means: bool = True


def keys_of(actions: Sequence[argparse.Action]) -> dict[str, Key]:
    """The keys for those options."""
    return {
        name.removeprefix("--"): _key(action)
        for action in actions
        for name in action.option_strings
        if name.startswith("--") and name.removeprefix("--") not in NO_KEYS
    }


def _key(action: argparse.Action) -> Key:
    form = next((form for kind, form in _FORMS.items() if isinstance(action, kind)), Form.ONE)
    parse = action.type if callable(action.type) else str
    choices = [str(choice) for choice in action.choices or ()]
    return Key(action.dest, form, parse, choices, means=action.const is not False)


_FORMS: Final[Mapping[type[argparse.Action], Form]] = {
    argparse._AppendAction: Form.LIST,  # noqa: SLF001 - argparse has no other names for them
    argparse._CountAction: Form.COUNT,  # noqa: SLF001
    argparse._StoreTrueAction: Form.FLAG,  # noqa: SLF001
    argparse._StoreFalseAction: Form.FLAG,  # noqa: SLF001
}


class TableReader:
    """Reads the options in tables of ``file``; what is wrong there is noted in it."""

    def __init__(
        self,
        file: ConfigFile,
        keys: Mapping[str, Key],
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """``elsewhere`` has what is said to keys that belong to other tables."""
        self._file = file
        self._keys = keys
        self._elsewhere = elsewhere or {}

    def read(self, table: Table, at: Path = ()) -> Values:
        """The values in ``table``, which stands at that path of the file."""
        values: Values = {}
        for name, value in table.items():
            here = (*at, name)
            key = self._keys.get(name)
            if key is None:
                hint = self._elsewhere.get(name) or no_such_key(name, self._keys)
                self._file.blame(here, hint)
                continue
            try:
                values[key.dest] = self._value(here, key, value)
            except ValueError as error:
                self._file.blame(here, describe(error))
        return values

    def _value(self, at: Path, key: Key, value: object) -> Any:
        """What ``value`` means. Raises ValueError."""
        match key.form:
            case Form.FLAG if isinstance(value, bool):
                return value is key.means
            case Form.COUNT if isinstance(value, int) and value >= 0:
                return int(value)
            case Form.LIST if isinstance(value, list):
                return self._entries(at, key, value)
            case Form.ONE:
                return self._one(key, value)
        example = f': {at[-1]} = ["…", "…"]' if key.form is Form.LIST else ""
        raise ValueError(f"it must be {key.form.value}{example}")

    def _entries(self, at: Path, key: Key, value: list[object]) -> list[Any]:
        entries = []
        for number, entry in enumerate(value):
            try:
                entries.append(self._one(key, entry))
            except ValueError as error:
                self._file.blame((*at, str(number)), describe(error))
        return entries

    def _one(self, key: Key, value: object) -> Any:
        """The value that the option's own type makes of it. Raises ValueError."""
        text = str(value) if isinstance(value, str | int | float) else None
        if text is None or isinstance(value, bool):
            raise ValueError(f"it must be {Form.ONE.value}")
        if key.choices and text not in key.choices:
            raise ValueError(f"'{text}' is none of {', '.join(key.choices)}")
        try:
            made = key.parse(text)
        except (argparse.ArgumentTypeError, UsageError) as error:
            raise ValueError(describe(error)) from None
        # The daemon may run elsewhere: a path is seen from where the file is.
        return self._file.path.parent / made if isinstance(made, pathlib.Path) else made


def no_such_key(name: str, known: Collection[str]) -> str:
    """What is said to a key that there isn't."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=_LEAST_LIKENESS)
    if name in NO_KEYS:
        return f"it has no place in a file: {NO_KEYS[name]}"
    if near:
        return f"there is no such key; did you mean {near[0]}?"
    return "there is no such key; the keys are the long options of --help without their dashes"
