"""Running the host daemon: for the machine of the command line, or for those of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vsocks.channel import open_source
from vsocks.channel.keeping import kept
from vsocks.channel.lock import ChannelLock
from vsocks.cli import logs
from vsocks.cli.controlled import controlled
from vsocks.cli.host_file import host_channel
from vsocks.cli.host_setup import host_config, read_setup
from vsocks.cli.missing_package import missing_package
from vsocks.cli.run import run_until_signal
from vsocks.host.control import OnlyMachine
from vsocks.host.daemon import Host
from vsocks.host.machines import Machines
from vsocks.mux.trace import Trace

if TYPE_CHECKING:
    import argparse

    from vsocks.channel import ChannelSource
    from vsocks.channel.spec import ChannelSpec
    from vsocks.cli.arguments import Parser
    from vsocks.cli.run import Daemon
    from vsocks.host.machines import Machine, Setup


def run_host(options: argparse.Namespace) -> int:
    """Serve one machine until a signal; raises VsocksError if it can't start."""
    spec = host_channel(options.channel)
    config = host_config(options)
    if options.trace is not None:
        config = replace(config, trace=Trace.open(options.trace))

    def make() -> Daemon:
        host = Host(config, _source(spec, hold=options.hold))
        return controlled(host, OnlyMachine(host), options)

    lock = ChannelLock("host", spec)
    try:
        run_until_signal(make)
    finally:
        lock.close()
    return 0


def run_machines(parser: Parser, options: argparse.Namespace) -> int:
    """Serve the machines of a file until a signal; raises UsageError if the file is wrong."""
    values, setup = read_setup(options.config, parser, options.given)
    merged = parser.merged(values, vars(options.given))
    logs.configure_by(merged)

    def read_anew() -> Setup:
        return read_setup(options.config, parser, options.given)[1]

    def make() -> Daemon:
        machines = Machines(setup, read_anew, _source_of)
        return controlled(machines, machines, merged)

    run_until_signal(make)
    return 0


def _source_of(machine: Machine) -> ChannelSource:
    """The source of a machine's channel. Raises VsocksError."""
    try:
        return _source(machine.channel, hold=machine.hold)
    except ModuleNotFoundError as error:
        missing = missing_package(error)
        if missing is None:
            raise
        raise missing from None


def _source(spec: ChannelSpec, *, hold: bool) -> ChannelSource:
    source = open_source(spec)
    return kept(source, spec) if hold else source
