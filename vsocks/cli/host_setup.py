"""From a host's configuration file and command line to what the daemon for its machines does."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from vsocks.cli.arguments import Parser
from vsocks.cli.config_options import Values
from vsocks.cli.host_file import HostFile, host_channel, read_host_file
from vsocks.cli.host_options import add_host_options
from vsocks.errors import UsageError
from vsocks.host.associations import DatagramLimits
from vsocks.host.audit import AuditConfig
from vsocks.host.config import HostConfig
from vsocks.host.found import ALL_DOMAINS
from vsocks.host.machines import Machine, Origin, Setup
from vsocks.host.pattern import Pattern, is_pattern
from vsocks.mux.relay import IdleTimeouts
from vsocks.policy.policy import Policy
from vsocks.protocol.handshake import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Look-ups at once for each of several machines.
_LOOK_UPS: Final = 16
_OF_A_SETUP: Final = {"most", "connections", "ends_forbidden"}


def host_config(options: argparse.Namespace, name: str = "") -> HostConfig:
    """The configuration that the options give, but for a trace; ``name`` is the machine's."""
    return HostConfig(
        wire=options.wire,
        name=name,
        policy=Policy(options.rules),
        offer=Offer(max_streams=options.max_streams),
        dial_timeout=options.dial_timeout,
        connect_rate=options.connect_rate,
        question_rate=options.question_rate,
        idle_timeouts=IdleTimeouts(options.idle_timeout, options.half_close_timeout),
        datagrams=DatagramLimits(
            options.max_associations, options.datagram_rate, options.udp_idle_timeout
        ),
        bind_address=options.allow_bind,
        nameserver=options.dns_server,
        forwards=tuple(options.forward),
        audit=AuditConfig(options.audit, options.audit_failure == "stop")
        if options.audit
        else None,
    )


def check_host_file(path: Path) -> str:
    """What a file of the host daemon is, in words. Raises UsageError if it is wrong."""
    parser = Parser(prog="vsocks host")
    add_host_options(parser)
    _, setup = read_setup(path, parser, argparse.Namespace())
    patterns = f", patterns: {len(setup.origins)}" if setup.origins else ""
    return f"right, for a host; machines: {len(setup.machines)}{patterns}"


def read_setup(path: Path, parser: Parser, given: argparse.Namespace) -> tuple[Values, Setup]:
    """The options that all machines have in common, and what the daemon is to do.

    ``given`` is what stands on the command line. Raises UsageError.
    """
    file = read_host_file(path, parser)
    machines: list[Machine] = []
    origins: list[Origin] = []
    for name, table in _tables(path, file, given):
        options = parser.merged(file.defaults, table, vars(given))
        options.rules = [*_rules(file.defaults), *_rules(table), *_rules(vars(given))]
        config = replace(host_config(options, name), look_ups=_LOOK_UPS)
        how = {"trace": options.trace, "hold": options.hold}
        if is_pattern(options.channel):
            origins.append(Pattern(options.channel, config, **how))
        elif options.channel == ALL_DOMAINS:
            origins.append(_libvirt_machines(config, how))
        else:
            machines.append(Machine(host_channel(options.channel), config, **how))
    if vars(given).get("trace") is not None and (origins or len(machines) > 1):
        raise UsageError(f"--trace is one machine's: put trace = … below [machine.NAME] in {path}")
    values = dict(file.daemon)
    own = {key: values.pop(key) for key in _OF_A_SETUP & values.keys()}
    return values, Setup(tuple(machines), tuple(origins), **own)


def _libvirt_machines(config: HostConfig, how: dict[str, Any]) -> Origin:
    if sys.platform != "win32":
        from vsocks.host.libvirt_machines import LibvirtMachines

        return LibvirtMachines(config, **how)
    raise UsageError(f"channel '{ALL_DOMAINS}': libvirt runs machines on Linux")


def _tables(path: Path, file: HostFile, given: argparse.Namespace) -> Iterator[tuple[str, Values]]:
    """The machines' names and tables; that of the command line has neither."""
    channel = vars(given).get("channel")
    if channel is None and not file.machines:
        raise UsageError(f'{path}: it has no machine: add [machine.NAME] with channel = "…"')
    if channel is None:
        yield from file.machines.items()
    elif file.machines:
        raise UsageError(f"--channel is one machine's, and {path} has its own: leave one out")
    else:
        yield "", {}


def _rules(values: dict[str, Any]) -> list[Any]:
    return values.get("rules") or []
