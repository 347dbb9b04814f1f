"""The Windows program, vsocks-guest.exe: the guest daemon, and its service."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.cli.arguments import Parser, add_version
from vsocks.cli.guest_options import add_guest_options
from vsocks.cli.main import reporting, run_guest

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME: Final = "vsocks-guest"

_DESCRIPTION: Final = f"""\
A SOCKS and HTTP proxy for a virtual machine without a network card. Without options it listens on
127.0.0.1:1080 and finds the port to the host by itself. As a service: {NAME} service --help
For all programs that follow the system's proxy settings: {NAME} system-proxy --help"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _show_everything()
    if words[:1] == ["service"]:
        return _service(words[1:])
    if words[:1] == ["system-proxy"]:
        return _system_proxy(words[1:])
    if words[:1] == ["check-config"]:
        return _check_config(words[1:])
    parser = Parser(prog=NAME, description=_DESCRIPTION)
    add_version(parser, NAME)
    add_guest_options(parser)
    options = parser.parse_args(words)
    _end_with_parent()
    return reporting(NAME, lambda: run_guest(options))


def _show_everything() -> None:
    """Have no output, nor a letter that the console's code page lacks, fail what is being done."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Who started us has given us no place for it, as Windows Installer may.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _system_proxy(words: list[str]) -> int:
    from vsocks.cli import system_proxy

    parser = Parser(prog=f"{NAME} system-proxy", description=system_proxy.DESCRIPTION)
    system_proxy.add_commands(parser)
    options = parser.parse_args(words)
    return reporting(parser.prog, lambda: int(options.run(options)))


def _check_config(words: list[str]) -> int:
    from vsocks.cli.check_config import add_check_options, run_check

    parser = Parser(prog=f"{NAME} check-config")
    add_check_options(parser)
    return run_check(parser.parse_args(words))


if sys.platform == "win32":

    def _end_with_parent() -> None:
        from vsocks.windows.parent import end_with_parent

        end_with_parent()

    def _service(words: list[str]) -> int:
        from vsocks.cli import service

        return service.main(words)

else:

    def _end_with_parent() -> None:
        pass

    def _service(_words: list[str]) -> int:
        sys.stderr.write(f"{NAME}: error: only Windows has services of this kind\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
