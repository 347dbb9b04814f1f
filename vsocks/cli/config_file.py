"""A configuration file: its tables, and what is wrong with it, by file, line and key."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vsocks.cli.toml_lines import lines_of
from vsocks.errors import UsageError, describe

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Sequence

    from vsocks.cli.toml_lines import Path

Table = dict[str, Any]

#: A file that somebody has written is no longer than this, in bytes.
_MAX_FILE: Final = 1 << 20
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong in a file, and what to do; line 0 if it is the file as a whole."""

    file: pathlib.Path
    line: int
    key: str
    what: str

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}{line}: {key}{self.what}"


class ConfigError(UsageError):
    """A configuration that can't be used; its text is the first of the problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = f" (and {len(problems) - 1} more; see check-config)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")
        self.problems = problems


class ConfigFile:
    """A file that has been read; raises ConfigError if it can't be, or is no TOML."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        #: What has been found to be wrong; whoever has looked at all of it calls check().
        self.problems: list[Problem] = []
        text = self._read()
        try:
            self.table: Table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([self._syntax(error, text)]) from None
        except RecursionError:
            raise self._error("it is nested too deeply") from None
        self._lines = lines_of(text.replace("\r\n", "\n"))

    def blame(self, at: Path, what: str) -> None:
        """Note that something is wrong with the key or the entry of a list ``at`` that path."""
        line = next(
            (self._lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in self._lines), 0
        )
        self.problems.append(Problem(self.path, line, shown(at), what))

    def check(self) -> None:
        """Raise ConfigError if anything has been found to be wrong."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda problem: problem.line))

    def _read(self) -> str:
        try:
            with self.path.open("rb") as file:
                data = file.read(_MAX_FILE + 1)
        except OSError as error:
            raise self._error(f"can't be read: {describe(error)}") from None
        if len(data) > _MAX_FILE:
            raise self._error(f"longer than {_MAX_FILE} bytes: is it a configuration file?")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._error("not UTF-8: save it as UTF-8", line) from None

    def _error(self, what: str, line: int = 0) -> ConfigError:
        return ConfigError([Problem(self.path, line, "", what)])

    def _syntax(self, error: tomllib.TOMLDecodeError, text: str) -> Problem:
        message = describe(error)
        found = _AT_LINE.search(message)
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        message = message[: found.start()] if found else message
        hint = ""
        if message.startswith("Invalid value"):
            hint = ": text goes in quotes (a path of Windows in '…'), a list in [ ]"
        return Problem(self.path, line, "", f"no TOML: {message}{hint}")


def shown(at: Path) -> str:
    """A path of keys, as it is said to people; entries of lists are shown by their list."""
    return ".".join(name for name in at if not name.isdigit() or len(at) == 1)
