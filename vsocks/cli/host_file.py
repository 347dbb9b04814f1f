"""The configuration file of the host daemon: the daemon's keys, [defaults], a table a machine.

Beside FILE, the files FILE's name without its ending + ".d/*.toml" have more machines.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vsocks.channel.spec import parse_spec
from vsocks.cli.config_file import ConfigFile
from vsocks.cli.config_options import Form, Key, TableReader, Values, keys_of
from vsocks.errors import UsageError
from vsocks.host.found import ALL_DOMAINS, NAME, NAME_IN_WORDS
from vsocks.host.pattern import split_pattern
from vsocks.policy.rules import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vsocks.channel.spec import ChannelSpec
    from vsocks.cli.arguments import Parser
    from vsocks.cli.config_file import Table

#: The options that all machines have in common, and those that one machine has alone.
_OF_THE_DAEMON: Final = {"verbose", "log_format", "control", "control_group", "metrics"}
_OF_ONE: Final = {"channel", "trace"}
_MACHINE: Final = "machine"
_DEFAULTS: Final = "defaults"
_OF_ALL: Final = "it is for all machines: put it at the top of the file"
_OF_MACHINES: Final = "it belongs to machines: put it below [defaults] or [machine.NAME]"
_OF_A_MACHINE: Final = "it belongs to one machine: put it below [machine.NAME]"
_MOST_MACHINES: Final = 4096
_MOST_CONNECTIONS: Final = 65536


@dataclass(slots=True)
class HostFile:
    """What stands in the files, each option checked by itself."""

    daemon: Values
    defaults: Values
    machines: dict[str, Values]


def daemon_keys(parser: Parser) -> dict[str, Key]:
    """The keys at the top of a file: what all machines have in common."""
    keys = keys_of(parser.options)
    return {name: key for name, key in keys.items() if key.dest in _OF_THE_DAEMON} | {
        "max-machines": Key("most", Form.ONE, lambda text: _number(text, _MOST_MACHINES)),
        "max-connections": Key(
            "connections", Form.ONE, lambda text: _number(text, _MOST_CONNECTIONS)
        ),
        "reload-ends-forbidden": Key("ends_forbidden", Form.FLAG),
    }


def default_keys(parser: Parser) -> dict[str, Key]:
    """The keys of [defaults]."""
    keys = keys_of(parser.options) | {"rules": Key("rules", Form.LIST, _rule)}
    return {name: key for name, key in keys.items() if key.dest not in _OF_THE_DAEMON | _OF_ONE}


def machine_keys(parser: Parser) -> dict[str, Key]:
    """The keys of [machine.NAME]."""
    keys = keys_of(parser.options)
    return default_keys(parser) | {
        "channel": Key("channel", Form.ONE, _channel),
        "trace": keys["trace"],
    }


def read_host_file(path: Path, parser: Parser) -> HostFile:
    """What stands in a file and those beside it, by the host daemon's parser.

    Raises ConfigError.
    """
    found = HostFile({}, {}, {})
    reader = _Reader(found, parser)
    reader.read_main(ConfigFile(path))
    for more in sorted(path.with_suffix(".d").glob("*.toml")):
        reader.read_more(ConfigFile(more))
    return found


class _Reader:
    def __init__(self, found: HostFile, parser: Parser) -> None:
        self._found = found
        self._parser = parser
        #: Whose each channel is.
        self._channels: dict[object, str] = {}

    def read_main(self, file: ConfigFile) -> None:
        found = self._found
        own = {key: value for key, value in file.table.items() if key not in {_DEFAULTS, _MACHINE}}
        elsewhere = {
            **dict.fromkeys(machine_keys(self._parser), _OF_MACHINES),
            **dict.fromkeys(_OF_ONE, _OF_A_MACHINE),
            "default": f"there is no such key; did you mean {_DEFAULTS}?",
            "machines": f"there is no such key; did you mean {_MACHINE}?",
        }
        found.daemon = TableReader(file, daemon_keys(self._parser), elsewhere).read(own)
        for table, at in _table(file, _DEFAULTS):
            keys = default_keys(self._parser)
            elsewhere = dict.fromkeys(daemon_keys(self._parser), _OF_ALL)
            elsewhere |= dict.fromkeys(_OF_ONE, _OF_A_MACHINE)
            found.defaults = TableReader(file, keys, elsewhere).read(table, at)
        self._read_machines(file)
        most = found.daemon.get("most")
        if most is not None and len(found.machines) > most:
            file.blame(("max-machines",), f"there are {len(found.machines)} machines: raise it")
        file.check()

    def read_more(self, file: ConfigFile) -> None:
        """A file beside the first one has machines only."""
        for key in file.table:
            if key != _MACHINE:
                file.blame((key,), "here are only tables [machine.NAME]; the rest is in FILE.toml")
        self._read_machines(file)
        file.check()

    def _read_machines(self, file: ConfigFile) -> None:
        elsewhere = dict.fromkeys(daemon_keys(self._parser), _OF_ALL)
        reader = TableReader(file, machine_keys(self._parser), elsewhere)
        for tables, _ in _table(file, _MACHINE):
            for name in tables:
                at = (_MACHINE, name)
                if not NAME.fullmatch(name):
                    file.blame(at, f"a machine's name has {NAME_IN_WORDS}")
                elif name in self._found.machines:
                    file.blame(at, "a file before this one has a machine of that name")
                for table, _ in _table(file, *at):
                    self._found.machines[name] = reader.read(table, at)
                    self._check_channel(file, name, table.get("channel"))

    def _check_channel(self, file: ConfigFile, name: str, channel: object) -> None:
        """A machine has a channel, and no other has the same."""
        if channel is None:
            file.blame((_MACHINE, name), 'it needs a channel = "…"')
            return
        other = self._channels.setdefault(channel, name)
        if other != name:
            file.blame((_MACHINE, name, "channel"), f"machine {other} has the same one")


def _table(file: ConfigFile, *at: str) -> Iterator[tuple[Table, tuple[str, ...]]]:
    """The table at that path of a file and the path, if there is one."""
    value: Any = file.table
    for name in at:
        value = value.get(name, {})
    if isinstance(value, dict):
        yield value, at
    else:
        file.blame(at, f"it must be a table: [{'.'.join(at)}]")


def host_channel(text: str) -> ChannelSpec:
    """The channel of a machine. Raises UsageError if it is none for a host."""
    spec = parse_spec(text)
    if spec.kind == "auto":
        raise UsageError("channel 'auto' is for guests; a host's is the VM's socket: unix:PATH")
    if text == ALL_DOMAINS:
        raise UsageError(
            f"channel '{text}' stands for many machines: put it into a file, below [machine.NAME], "
            "and name that by --config"
        )
    return spec


def _channel(text: str) -> str:
    if text == ALL_DOMAINS:
        return text
    if "*" in text:
        split_pattern(text)
    else:
        host_channel(text)
    return text


def _rule(text: str) -> Rule:
    verb, _, rest = text.strip().partition(" ")
    if verb not in {"allow", "deny"}:
        raise UsageError(f"'{text}' is no rule: it begins with allow or deny, as in 'deny *:25'")
    return Rule.parse("allow" if verb == "allow" else "deny", rest)


def _number(text: str, most: int) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a number from 1 to {most}")
