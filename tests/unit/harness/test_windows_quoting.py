"""Quoting for cmd and the program after it, against models of how the two read a line."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.windows.quoting import command_line, sftp_path

pytestmark = pytest.mark.unit

ENVIRONMENT = {"PATH": r"C:\Windows", "X": "expanded", "A B": "expanded", "": "expanded"}
ARGUMENTS = st.text(
    st.one_of(
        st.sampled_from(list(' \t"\\^&|<>()%!:=~,;*?AXPTH01')),
        st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=["Cs"]),
    )
)


def what_the_program_gets(line: str, environment: Mapping[str, str]) -> str:
    """What cmd /c makes of a line: variables, then quotes and carets. No operator may stay."""

    def variable(found: re.Match[str]) -> str:
        name = found[1].partition(":")[0]
        return environment.get(name, found[0])

    # Every pair of percent signs is tried, overlapping ones included: a cautious model.
    for start in [it.start() for it in re.finditer("%", line)]:
        if pair := re.match("%([^%]*)%", line[start:]):
            assert variable(pair) == pair[0], f"cmd expands {pair[0]!r} in {line!r}"
    got, quoted, at = "", False, 0
    while at < len(line):
        if line[at] == '"':
            quoted = not quoted
        elif line[at] == "^" and not quoted:
            at += 1
        elif line[at] in "&|<>()" and not quoted:
            raise AssertionError(f"cmd sees {line[at]!r} in {line!r}")
        got += line[at]
        at += 1
    return got


def arguments_of(line: str) -> list[str]:
    """How a C program splits its command line (the rules of the Microsoft C runtime)."""
    arguments, at = [], 0
    while at < len(line):
        while at < len(line) and line[at] in " \t":
            at += 1
        if at == len(line):
            break
        argument, quoted = "", False
        while at < len(line) and (quoted or line[at] not in " \t"):
            slashes = len(line) - at - len(line[at:].lstrip("\\"))
            at += slashes
            if at < len(line) and line[at] == '"':
                argument += "\\" * (slashes // 2)
                if slashes % 2:
                    argument += '"'
                elif quoted and line[at + 1 : at + 2] == '"':
                    argument += '"'
                    at += 1
                else:
                    quoted = not quoted
                at += 1
            else:
                argument += "\\" * slashes
                if not slashes:
                    argument += line[at]
                    at += 1
        arguments.append(argument)
    return arguments


@given(st.lists(ARGUMENTS, max_size=5))
def test_all_arguments_arrive_as_they_were(arguments: list[str]) -> None:
    line = command_line("prog.exe", *arguments)
    assert arguments_of(what_the_program_gets(line, ENVIRONMENT)) == ["prog.exe", *arguments]


@pytest.mark.parametrize(
    "argument",
    ["%PATH%", "%PATH:~0,2%", "%PATH:a=b%", "a%X%b%X%c", '"&calc&"', "^", "%%X%%", 'a"%X%"'],
)
def test_nothing_is_expanded_or_run(argument: str) -> None:
    line = command_line("prog.exe", argument)
    assert arguments_of(what_the_program_gets(line, ENVIRONMENT)) == ["prog.exe", argument]


def test_the_models_notice_bad_quoting() -> None:
    with pytest.raises(AssertionError, match="expands"):
        what_the_program_gets("prog %PATH%", ENVIRONMENT)
    with pytest.raises(AssertionError, match="sees '&'"):
        what_the_program_gets("prog a&b", ENVIRONMENT)
    with pytest.raises(AssertionError, match="expands"):
        what_the_program_gets("prog ^%PATH:~0,2^%", ENVIRONMENT)


def test_simple_lines_stay_readable() -> None:
    assert command_line(r"C:\a\b.exe", "--listen", "127.0.0.1:1080") == (
        r"C:\a\b.exe --listen 127.0.0.1:1080"
    )
    assert command_line("prog") == "prog"
    assert command_line("prog", "") == 'prog ^"^"'


def test_a_program_with_a_space_in_its_path_is_quoted_where_cmd_sees_it() -> None:
    assert command_line(r"C:\Program Files\x.exe", "a") == r'"C:\Program Files\x.exe" a'


@pytest.mark.parametrize("arguments", [("p", "a\nb"), ("p", "a\0"), ("p%X%",), ('p"',)])
def test_what_cannot_be_said_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        command_line(*arguments)


def test_paths_for_sftp() -> None:
    assert sftp_path(r"C:\vsocks\a b\c.txt") == "/C:/vsocks/a b/c.txt"
    assert sftp_path("D:/x") == "/D:/x"
    for wrong in (r"vsocks\a", r"\vsocks", "C:x", ""):
        with pytest.raises(ValueError, match="not an absolute path"):
            sftp_path(wrong)
