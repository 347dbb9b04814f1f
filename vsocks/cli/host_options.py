"""The options of the host daemon."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vsocks.address import needed_ip, split_host_port
from vsocks.channel.spec import FORMS
from vsocks.cli.arguments import (
    add_common,
    add_max_streams,
    add_seconds,
    being,
    count,
    explained,
    listen_address,
    positive,
)
from vsocks.errors import describe
from vsocks.host.forwards import Forward, parse_forward
from vsocks.host.journal import JOURNAL
from vsocks.host.resolv_conf import parse_nameserver
from vsocks.policy.rules import Rule, RuleError

if TYPE_CHECKING:
    from vsocks.cli.arguments import Parser


def add_host_options(parser: Parser) -> None:
    """Add all options of `vsocks host`."""
    parser.epilog = (
        f"channels:\n{FORMS}\n\nrules: see docs/policy.md; the last one that matches wins"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(rules=[])
    parser.add_argument("--channel", metavar="SPEC", help="the pipe to the guest, see below")
    parser.add_argument(
        "--no-hold",
        action="store_false",
        dest="hold",
        help="have nobody keep the channel open when this daemon is killed; by default the service "
        "manager does, or a small process for a minute, so that QEMU notices nothing",
    )
    for verb in ("allow", "deny"):
        parser.add_argument(
            f"--{verb}",
            action=_AddRule,
            metavar="RULE",
            help=f"{verb} a CIDR, HOST or *.DOMAIN, with :PORT or :LOW-HIGH if not all ports",
        )
    parser.add_argument(
        "--allow-bind",
        type=_ip,
        metavar="ADDR",
        help="let allowed targets connect back to a client (SOCKS BIND, active FTP), at this "
        "address of the host (default: off)",
    )
    parser.add_argument(
        "--forward",
        type=_forward,
        action="append",
        default=[],
        metavar="[ADDR:]PORT:GUESTADDR:GUESTPORT",
        help="forward that port of the host to an address in the guest, which must --expose it; "
        "ADDR is 127.0.0.1 by default; repeatable",
    )
    parser.add_argument(
        "--dns-server",
        type=explained(parse_nameserver),
        metavar="ADDR[:PORT]",
        help="the nameserver for the guest's --dns (default: the host's own)",
    )
    _add_audit(parser)
    add_max_streams(parser, 256, "connections at once")
    _add_limits(parser)
    _add_control(parser)
    add_common(parser)
    _add_file(parser)


def _add_audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--audit",
        type=_audit_path,
        metavar="FILE|journal",
        help="append a line (JSON) for all that was allowed or denied, or have systemd's journal "
        "take it; see docs/audit.md",
    )
    parser.add_argument(
        "--audit-failure",
        choices=["continue", "stop"],
        default="continue",
        help="whether new connections are refused while that file can't be written (default: "
        "continue)",
    )


def _audit_path(text: str) -> Path:
    return JOURNAL if text == "journal" else Path(text)


def _add_control(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--control",
        type=Path,
        metavar="PATH",
        help="listen there, on a unix socket, for vsocks status and the like, see docs/control.md",
    )
    parser.add_argument(
        "--control-group",
        type=_group,
        metavar="GROUP",
        help="whose members may use that socket (default: the daemon's own group)",
    )
    parser.add_argument(
        "--metrics",
        type=listen_address,
        metavar="ADDR:PORT",
        help="serve metrics for Prometheus there: http://ADDR:PORT/metrics",
    )


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add_seconds(parser, "--dial-timeout", 10, "how long a connect may take, look-up included")
    parser.add_argument(
        "--connect-rate",
        type=positive,
        default=200.0,
        metavar="N",
        help="attempts to connect a second, each address of a name being one (default: 200)",
    )
    parser.add_argument(
        "--question-rate",
        type=positive,
        default=200.0,
        metavar="N",
        help="look-ups and DNS queries a second (default: 200)",
    )
    parser.add_argument(
        "--max-associations",
        type=count,
        default=64,
        metavar="N",
        help="UDP associations at once (default: 64)",
    )
    parser.add_argument(
        "--datagram-rate",
        type=positive,
        default=5000.0,
        metavar="N",
        help="datagrams a second from the guest (default: 5000)",
    )


def _add_file(parser: Parser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a file (TOML) that says which machines there are, see docs/configuration.md; what "
        "stands on the command line holds for all of them",
    )

    def complete(given: argparse.Namespace) -> argparse.Namespace:
        """All options, and as ``given`` those that the command line has alone."""
        if given.channel is None and given.config is None:
            parser.error("the following arguments are required: --channel (or --config)")
        options = parser.merged(vars(given))
        options.given = given
        return options

    parser.complete = complete


class _AddRule(argparse.Action):
    """Keeps --allow and --deny in the order given, which decides."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        try:
            rule = Rule.parse("allow" if self.dest == "allow" else "deny", str(values))
        except RuleError as error:
            raise argparse.ArgumentError(self, describe(error)) from None
        namespace.rules = [*namespace.rules, rule]


def _ip(text: str) -> str:
    with being(text, "ADDR"):
        host, port = split_host_port(text)
        if port is not None:
            raise ValueError("it takes no port")
        return str(needed_ip(host))


if sys.platform == "win32":

    def _group(_text: str) -> int:
        raise argparse.ArgumentTypeError("Windows has no such groups")

else:
    import grp

    def _group(text: str) -> int:
        """The number of a group of this machine's."""
        with being(text, "GROUP"):
            try:
                return grp.getgrnam(text).gr_gid
            except (KeyError, UnicodeEncodeError):
                raise ValueError("this machine has no such group") from None


def _forward(text: str) -> Forward:
    with being(text, "[ADDR:]PORT:GUESTADDR:GUESTPORT"):
        return parse_forward(text)
