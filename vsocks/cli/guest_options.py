"""The options of the guest daemon."""

from __future__ import annotations

import argparse
import logging
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vsocks.channel.spec import FORMS
from vsocks.cli.arguments import (
    add_common,
    add_max_streams,
    add_seconds,
    count,
    explained,
    exposed_target,
    listen_address,
)
from vsocks.cli.guest_file import add_guest_file
from vsocks.errors import UsageError, describe
from vsocks.protocol.handshake import Offer
from vsocks.proxy.users import User, UserError, Users, parse_user, parse_users

if TYPE_CHECKING:
    from vsocks.cli.arguments import Parser
    from vsocks.guest.daemon import GuestConfig

log = logging.getLogger(__name__)

_LISTEN: Final = ("127.0.0.1", 1080)
ENVIRONMENT: Final = "VSOCKS_USERS"
#: A file of users is no longer than this, in bytes.
_MAX_FILE: Final = 1 << 20
_LEAST_HEAD: Final = 1024
_GREATEST_HEAD: Final = 1 << 20


def add_guest_options(parser: Parser) -> None:
    """Add all options of `vsocks guest`."""
    parser.epilog = f"channels:\n{FORMS}"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--channel",
        default="auto",
        metavar="SPEC",
        help="the pipe to the host, see below (default: auto)",
    )
    parser.add_argument(
        "--listen",
        type=listen_address,
        action="append",
        metavar="ADDR:PORT",
        help="where SOCKS and HTTP clients connect; repeatable (default: 127.0.0.1:1080)",
    )
    parser.add_argument(
        "--dns",
        type=listen_address,
        metavar="ADDR:PORT",
        help="serve DNS there, by UDP and TCP; the host answers (default: off)",
    )
    parser.add_argument(
        "--expose",
        type=exposed_target,
        action="append",
        default=[],
        metavar="[ADDR:]PORT",
        help="let the host's --forward connect there; repeatable (default: none)",
    )
    _add_users(parser)
    add_max_streams(parser, 64, "connections at once; their memory is allocated at start")
    _add_limits(parser)
    add_common(parser)
    add_guest_file(parser)


def _add_users(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--user",
        type=explained(parse_user),
        action="append",
        default=[],
        metavar="NAME:PASSWORD",
        help="require clients to log in as a user; repeatable. Other users of this machine can see "
        f"it: prefer --users-file, or the environment's {ENVIRONMENT}, one user a line",
    )
    parser.add_argument(
        "--users-file", type=Path, metavar="PATH", help="the same from a file, one user a line"
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-associations",
        type=count,
        default=48,
        metavar="N",
        help="UDP associations at once, each of which counts as a connection (default: 48)",
    )
    parser.add_argument(
        "--max-header-size",
        type=_head_size,
        default=32 * 1024,
        metavar="BYTES",
        help="the longest head of an HTTP message (default: 32768)",
    )
    add_seconds(parser, "--handshake-timeout", 10, "how long a client may take for its request")
    add_seconds(
        parser, "--keep-alive-timeout", 60, "how long it may take for its next HTTP request"
    )


def listeners(options: argparse.Namespace) -> tuple[tuple[str, int], ...]:
    """Where clients connect."""
    return tuple(options.listen or [_LISTEN])


def guest_config(options: argparse.Namespace) -> GuestConfig:
    """The configuration that the options give; raises UsageError if they make no sense."""
    from vsocks.guest.context import Limits
    from vsocks.guest.daemon import GuestConfig
    from vsocks.mux.relay import IdleTimeouts
    from vsocks.mux.trace import Trace

    return GuestConfig(
        wire=options.wire,
        trace=Trace.open(options.trace) if options.trace is not None else None,
        listen=listeners(options),
        dns=options.dns,
        users=_users(options),
        exposed=tuple(options.expose),
        max_streams=options.max_streams,
        max_associations=options.max_associations,
        offer=Offer(max_streams=options.max_streams),
        limits=Limits(
            handshake=options.handshake_timeout,
            keep_alive=options.keep_alive_timeout,
            udp_idle=options.udp_idle_timeout,
            idle_timeouts=IdleTimeouts(options.idle_timeout, options.half_close_timeout),
            max_head_size=options.max_header_size,
        ),
    )


def _users(options: argparse.Namespace) -> Users:
    """All users of the proxy, wherever they are named."""
    users: list[User] = list(options.user)
    where = ""
    if (text := os.environ.get(ENVIRONMENT)) is not None:
        where = ENVIRONMENT
        users += _users_from(where, text)
    if options.users_file is not None:
        where = str(options.users_file)
        users += _users_from(where, _text_of(options.users_file))
    if where and not users:
        # Nobody would mean everybody.
        raise UsageError(f"{where} names no user")
    found = Users(users)
    if options.users_file is not None:
        _warn_of_readers(options.users_file)
    return found


def _users_from(where: str, text: str) -> list[User]:
    try:
        return parse_users(text.splitlines())
    except UserError as error:
        raise UsageError(f"{where}: {describe(error)}") from None


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if _others_have(stat.S_IWGRP | stat.S_IWOTH, path):
                # Who can write it makes himself a user.
                raise UsageError(f"{path} can be written by others: chmod go-w {path}")
            data = file.read(_MAX_FILE + 1)
        if len(data) > _MAX_FILE:
            raise UsageError(f"{path} is longer than {_MAX_FILE} bytes: is it a file of users?")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"can't read {path}: {describe(error)}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None


def _warn_of_readers(path: Path) -> None:
    """Say so if others can read a file of users: its group alone may be meant to."""
    if _others_have(stat.S_IROTH, path):
        log.warning("%s can be read by others, and holds passwords: chmod o-r %s", path, path)


def _others_have(rights: int, path: Path) -> bool:
    """Whether a file gives others one of these rights, as far as the system says so."""
    mode = path.stat().st_mode
    return sys.platform != "win32" and stat.S_ISREG(mode) and bool(mode & rights)


def _head_size(text: str) -> int:
    if text.isascii() and text.isdigit() and _LEAST_HEAD <= int(text) <= _GREATEST_HEAD:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"'{text}' is not a number from {_LEAST_HEAD} to {_GREATEST_HEAD}"
    )
