"""Man pages and the shells' completions, made of the command line itself.

They are made where a package is built. Only there argparse-manpage and shtab are needed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage

from vsocks import __version__
from vsocks.cli.main import command_line

PROGRAM = "vsocks"
MAN = Path("share/man/man1")
COMPLETIONS = {
    "bash": Path("share/bash-completion/completions/vsocks"),
    "zsh": Path("share/zsh/site-functions/_vsocks"),
    "fish": Path("share/fish/vendor_completions.d/vsocks.fish"),
}


def write_manuals(prefix: Path) -> None:
    """Put all of them under `prefix`, which stands for /usr."""
    for name, page in man_pages():
        _write(prefix / MAN / f"{name}.1", page)
    for shell, path in COMPLETIONS.items():
        _write(prefix / path, completion(shell))


def man_pages() -> Iterator[tuple[str, str]]:
    """Name and text of a page each: the program's, and those of its commands."""
    program = command_line()
    commands_apart = _page(program, PROGRAM, program.description or "").partition(".SH COMMAND ")[0]
    yield PROGRAM, f"{commands_apart}.SH SEE ALSO\n{_see_also(program)}\n"
    for commands in _subparsers(program):
        told = {action.dest: action.help or "" for action in commands._choices_actions}  # noqa: SLF001
        for name, help_text in told.items():
            title = f"{PROGRAM}-{name}"
            yield title, _page(commands.choices[name], title, help_text)


def completion(shell: str) -> str:
    """The script that completes the command line in one of the shells."""
    program = command_line()
    _complete_paths(program)
    return str(shtab.complete(program, shell=shell))


def _page(parser: argparse.ArgumentParser, name: str, what: str) -> str:
    """The page of one command. What stands below its options is shown as it was written."""
    below, parser.epilog = parser.epilog, None
    data = {"project_name": PROGRAM, "version": __version__, "manual_title": PROGRAM}
    page = str(Manpage(parser, {**data, "description": what.rstrip(".")}))
    title, told_name = _escaped(name), _escaped(parser.prog)
    page = page.replace(f".TH {told_name.upper()} ", f".TH {title.upper()} ", 1)
    page = page.replace(f".SH NAME\n{told_name} ", f".SH NAME\n{title} ", 1)
    return page + (f".SH NOTES\n.nf\n{_verbatim(below)}\n.fi\n" if below else "")


def _see_also(program: argparse.ArgumentParser) -> str:
    names = [name for commands in _subparsers(program) for name in commands.choices]
    return ",\n".join(rf"\fB{_escaped(f'{PROGRAM}-{name}')}\fR(1)" for name in names)


def _verbatim(text: str) -> str:
    """Escaped for the typesetter, to which a first dot means something, too."""
    lines = _escaped(text).splitlines()
    return "\n".join(rf"\&{line}" if line[:1] in ".'" else line for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-")


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    """Have options that take a path completed by files."""
    for action in parser._actions:  # noqa: SLF001
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    for commands in _subparsers(parser):
        for command in commands.choices.values():
            _complete_paths(command)


def _subparsers(
    parser: argparse.ArgumentParser,
) -> Iterator[argparse._SubParsersAction[argparse.ArgumentParser]]:
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield action


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
