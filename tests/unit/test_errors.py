"""The errors have one root and are drawn as they are; describe() makes lines for people."""

from __future__ import annotations

import ast
import builtins
import errno
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from vsocks import errors
from vsocks.errors import UsageError, VsocksError, describe

pytestmark = pytest.mark.unit

PACKAGE = Path(errors.__file__).parent


@dataclass(frozen=True)
class Error:
    """One class: what it is first of all, and the file that has it."""

    parent: str
    file: str


def bases_of(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).rpartition(".")[2].partition("[")[0] for base in node.bases]


def is_builtin_error(name: str) -> bool:
    known = getattr(builtins, name, None)
    return isinstance(known, type) and issubclass(known, BaseException)


def classes() -> dict[str, tuple[str, list[str]]]:
    """All classes of the package by their name: the file, and the bases."""
    found: dict[str, tuple[str, list[str]]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        file = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name] = file, bases_of(node)
    return found


def defined_errors() -> dict[str, Error]:
    """Whatever is an exception by one of its bases, Windows' modules included."""
    every = classes()
    of_errors: dict[str, Error] = {}
    before = -1
    while len(of_errors) != before:
        before = len(of_errors)
        for name, (file, bases) in every.items():
            if any(is_builtin_error(base) or base in of_errors for base in bases):
                of_errors[name] = Error(bases[0], file)
    return of_errors


def drawn_errors() -> dict[str, Error]:
    """What the docstring draws; four characters of the tree are one step down."""
    drawing = (errors.__doc__ or "").split("\n\n")[1].splitlines()
    path: list[str] = []
    drawn: dict[str, Error] = {}
    for line in drawing:
        match = re.fullmatch(r"([│├└─ ]*)(\w+)(?: +(.+))?", line)
        assert match, line
        depth = len(match[1]) // 4
        place = re.search(r"\((\S+\.py)\)$", match[3] or "")
        path[depth:] = [match[2]]
        parent = path[depth - 1] if depth else "Exception"
        drawn[match[2]] = Error(parent, place[1] if place else "errors.py")
    return drawn


def test_the_drawing_is_what_there_is() -> None:
    assert drawn_errors() == defined_errors()


def test_all_errors_are_found() -> None:
    """So the test before this one can fail."""
    found = defined_errors()
    assert found["VsocksError"] == Error("Exception", "errors.py")
    assert found["PeerSpeaksVsocksError"] == Error("ProtocolError", "protocol/original.py")
    assert found["AddressError"] == Error("VsocksError", "address.py")
    assert found["DeniedError"] == Error("ProxyError", "windows/proxy_backup.py")


def test_a_name_says_that_it_is_an_error() -> None:
    assert [name for name in defined_errors() if not name.endswith("Error")] == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UsageError("say what"), "say what"),
        (ValueError("two\nlines\tof \x1b[31mit"), "two lines of  [31mit"),
        (OSError(errno.EADDRINUSE, "Only one usage of each socket address"), "in use"),
        (OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), "Connection refused"),
        (FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/x"), "No such file"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service"),
        (TimeoutError(), "no answer in time"),
        (TimeoutError("the host was too slow"), "the host was too slow"),
        (ConnectionResetError(), "ConnectionResetError"),
        (VsocksError(), "VsocksError"),
    ],
)
def test_an_error_in_words(error: BaseException, words: str) -> None:
    told = describe(error)
    assert words in told
    assert told.isprintable()
    assert "Errno" not in told
    assert "/x" not in told


@pytest.mark.skipif(sys.platform == "win32", reason="asyncio says it otherwise there")
def test_a_connect_that_asyncio_speaks_of_is_told_by_its_cause() -> None:
    error = OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)")
    assert describe(error) == os.strerror(errno.ECONNREFUSED)


def own_words(path: Path) -> list[str]:
    """Where a caught error is put into words by other means than describe()."""
    told: list[str] = []
    for handler in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(handler, ast.ExceptHandler) and handler.name is not None:
            ways = rf"str\({handler.name}\)|{handler.name}\.strerror|\{{{handler.name}\}}"
            in_log = rf"log\.\w+\(.*, {handler.name}(, .*)?\)"
            code = [ast.unparse(statement) for statement in handler.body]
            told += [line for line in code if re.search(f"{ways}|{in_log}", line)]
    return told


@pytest.mark.parametrize(
    "file", sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
)
def test_people_are_told_by_describe_alone(file: str) -> None:
    """An error's own text may be empty, or two lines, or numbers."""
    assert bool(own_words(PACKAGE / file)) == (file in NOT_FOR_PEOPLE)


#: Where an error's text becomes that of another error of the same kind.
NOT_FOR_PEOPLE = {
    "channel/serial.py",
    "host/dial.py",
    "protocol/messages.py",
    "protocol/endpoint.py",
}
