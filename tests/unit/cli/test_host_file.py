"""The host's configuration file: defaults, then each machine, then the command line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

import vsocks
from vsocks.cli.arguments import Parser
from vsocks.cli.config_file import ConfigError
from vsocks.cli.config_options import NO_KEYS
from vsocks.cli.host_file import daemon_keys, host_channel, machine_keys, read_host_file
from vsocks.cli.host_options import add_host_options
from vsocks.cli.host_setup import read_setup
from vsocks.cli.main import main
from vsocks.errors import UsageError
from vsocks.host.audit import AuditConfig
from vsocks.host.machines import Setup

# With a timeout: a file that is taken for right has a daemon run.
pytestmark = [pytest.mark.unit, pytest.mark.timeout(60)]

MACHINE = '[machine.a]\nchannel = "unix:/a"\n'


def parser() -> Parser:
    made = Parser(prog="vsocks host")
    add_host_options(made)
    return made


def setup_of(folder: Path, text: str, *words: str) -> Setup:
    path = folder / "host.toml"
    path.write_text(text, "utf-8")
    options = parser().parse_args(["--config", str(path), *words])
    return read_setup(path, parser(), options.given)[1]


def test_every_long_option_has_its_key() -> None:
    options = {
        name.removeprefix("--")
        for option in parser().options
        for name in option.option_strings
        if name.startswith("--")
    }
    keys = daemon_keys(parser()).keys() | machine_keys(parser()).keys()
    assert options - keys == NO_KEYS.keys() - {"user", "version"}


def test_the_options_of_each_machine(tmp_path: Path) -> None:
    setup = setup_of(
        tmp_path,
        """
        max-machines = 7
        max-connections = 99
        reload-ends-forbidden = true
        [defaults]
        connect-rate = 5
        dial-timeout = 6
        rules = ["deny *"]
        [machine.web]
        channel = "unix:/web"
        connect-rate = 7
        rules = ["allow *.debian.org:443"]
        forward = ["8080:127.0.0.1:80"]
        trace = "web.trace"
        [machine.db]
        channel = "tcp:127.0.0.1:9"
        """,
        *("--deny", "192.0.2.1", "--dial-timeout", "8"),
    )
    web, db = setup.machines
    assert (setup.most, setup.connections, setup.ends_forbidden) == (7, 99, True)
    assert (web.name, db.name) == ("web", "db")
    assert (str(web.channel), str(db.channel)) == ("unix:/web", "tcp:127.0.0.1:9")
    assert (web.config.connect_rate, db.config.connect_rate) == (7, 5)
    assert (web.config.dial_timeout, db.config.dial_timeout) == (8, 8)
    assert (len(web.config.forwards), len(db.config.forwards)) == (1, 0)
    assert (web.trace, db.trace) == (tmp_path / "web.trace", None)
    for machine, allowed in ((web, True), (db, False)):
        assert machine.config.policy.denies_name("www.debian.org", 80)
        assert bool(machine.config.policy.denies_name("www.debian.org", 443)) is not allowed


def test_the_rules_of_all_three_in_their_order(tmp_path: Path) -> None:
    text = f'[defaults]\nrules = ["deny x.example"]\n{MACHINE}rules = ["allow x.example"]\n'
    assert not setup_of(tmp_path, text).machines[0].config.policy.denies_name("x.example", 1)
    last = setup_of(tmp_path, text, "--deny", "x.example").machines[0].config.policy
    assert last.denies_name("x.example", 1)


def test_files_beside_it_have_more_machines(tmp_path: Path) -> None:
    (tmp_path / "host.d").mkdir()
    (tmp_path / "host.d" / "b.toml").write_text('[machine.b]\nchannel = "unix:/b"\n')
    (tmp_path / "host.d" / "c.toml").write_text('[machine.c]\nchannel = "unix:/c"\n')
    (tmp_path / "host.d" / "d.toml~").write_text("no TOML")
    text = f"[defaults]\nconnect-rate = 5\n{MACHINE}"
    machines = setup_of(tmp_path, text).machines
    assert [(machine.name, machine.config.connect_rate) for machine in machines] == [
        ("a", 5),
        ("b", 5),
        ("c", 5),
    ]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (MACHINE, "more.toml:1: machine.a: a file before this one has a machine of that name"),
        ("wire = 'auto'", "more.toml:1: wire: here are only tables [machine.NAME]"),
    ],
)
def test_what_is_wrong_in_a_file_beside_it(tmp_path: Path, more: str, says: str) -> None:
    (tmp_path / "host.d").mkdir()
    (tmp_path / "host.d" / "more.toml").write_text(more)
    (tmp_path / "host.toml").write_text(MACHINE)
    with pytest.raises(ConfigError) as wrong:
        read_host_file(tmp_path / "host.toml", parser())
    assert says in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[machine.a]\nwire = 'auto'", ':1: machine.a: it needs a channel = "…"'),
        ("[machine.'a b']\nchannel = 'unix:/a'", ":1: machine.a b: a machine's name has "),
        (f"{MACHINE}rules = ['*:25']", ":3: machine.a.rules: '*:25' is no rule: it begins with "),
        (f"{MACHINE}rules = ['deny *:x']", ":3: machine.a.rules: bad rule '*:x': "),
        (f"{MACHINE}allow = ['*']", ":3: machine.a.allow: it has no place in a file: write it as "),
        (f"{MACHINE}foward = ['*']", ":3: machine.a.foward: there is no such key; did you mean "),
        (f"{MACHINE}verbose = true", ":3: machine.a.verbose: it is for all machines: put it at"),
        (f"wire = 'auto'\n{MACHINE}", ":1: wire: it belongs to machines: put it below ["),
        (f"channel = 'unix:/a'\n{MACHINE}", ":1: channel: it belongs to one machine: "),
        (f"[defaults]\nchannel = 'unix:/a'\n{MACHINE}", ":2: defaults.channel: it belongs to "),
        (f"[default]\n{MACHINE}", ":1: default: there is no such key; did you mean defaults?"),
        (f"max-machines = 0\n{MACHINE}", ":1: max-machines: '0' is not a number from 1 to 4096"),
        (f"max-machines = 1\n{MACHINE}[machine.b]\nchannel = 'unix:/b'", ":1: max-machines: there"),
        ("machine = 3", ":1: machine: it must be a table: [machine]"),
        ("[machine.a]\nchannel = 'auto'", ":2: machine.a.channel: channel 'auto' is for guests; "),
        (
            f"{MACHINE}[machine.b]\nchannel = 'unix:/a'",
            ":4: machine.b.channel: machine a has the same",
        ),
        (f"[defaults]\ntrace = 'x'\n{MACHINE}", ":2: defaults.trace: it belongs to one machine: "),
        (f"{MACHINE}no-hold = 1", ":3: machine.a.no-hold: it must be true or false"),
        ("[machine]\na = 3", ":2: machine.a: it must be a table: [machine.a]"),
        ("[machine.a]\nchannel = 'unix:a/*'", ":2: machine.a.channel: 'unix:a/*' is no pattern: "),
        ("[machine.a]\nchannel = 'unix:/*/*'", ":2: machine.a.channel: 'unix:/*/*' is no pattern"),
        ("verbose = true", ": it has no machine: add [machine.NAME] with channel = "),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    path = tmp_path / "host.toml"
    path.write_text(text)
    assert main(["host", "--config", str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vsocks host: error: {path}{says}")


def test_a_machine_by_the_command_line_with_the_defaults_of_a_file(tmp_path: Path) -> None:
    [machine] = setup_of(
        tmp_path, "[defaults]\nconnect-rate = 5\n", "--channel", "unix:/a"
    ).machines
    assert (machine.name, str(machine.channel), machine.config.connect_rate) == ("", "unix:/a", 5)
    with pytest.raises(UsageError, match="--channel is one machine's"):
        setup_of(tmp_path, MACHINE, "--channel", "unix:/b")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["right.toml"], 0, "right.toml: right, for a host; machines: 1, patterns: 1\n"),
        (["host.toml"], 2, "host.toml: it has no machine"),
        (["twice.toml"], 2, "twice.toml:1: machine.a: it needs a channel\n"),
        (["--daemon", "host", "guest.toml"], 2, "guest.toml:1: channel: it belongs to one machine"),
        (["guest.toml"], 0, "guest.toml: right, for a guest\n"),
    ],
)
def test_check_config_knows_whose_file_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    status: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("right.toml").write_text(f"{MACHINE}[machine.lab]\nchannel = 'unix:/vms/*/s'\n")
    Path("host.toml").write_text("verbose = true")
    Path("twice.toml").write_text("[machine.a]\n[machine.'b b']\nchannel = 'unix:/b'\n")
    Path("guest.toml").write_text("channel = 'virtio'\n")
    assert main(["check-config", *words]) == status
    said = capsys.readouterr()
    lines = (said.err if status else said.out).splitlines()
    assert lines[0].startswith(says.rstrip("\n").removesuffix("\n"))
    assert len(lines) == (2 if words == ["twice.toml"] else 1)


def test_a_trace_is_one_machines(tmp_path: Path) -> None:
    [machine] = setup_of(tmp_path, MACHINE, "--trace", "t").machines
    assert machine.trace == Path("t")
    with pytest.raises(UsageError, match="--trace is one machine's"):
        setup_of(tmp_path, f"{MACHINE}[machine.b]\nchannel = 'unix:/b'\n", "--trace", "t")
    with pytest.raises(UsageError, match="--trace is one machine's"):
        setup_of(tmp_path, "[machine.b]\nchannel = 'unix:/vms/*/s'\n", "--trace", "t")


def test_the_example_is_right_as_it_is_and_with_its_examples(tmp_path: Path) -> None:
    example = (Path(vsocks.__file__).parent / "data" / "host.toml").read_text()
    assert setup_of(tmp_path, example, "--channel", "unix:/a").machines
    with pytest.raises(UsageError, match="it has no machine"):
        setup_of(tmp_path, example)
    setup = setup_of(tmp_path, re.sub(r"^#(?=[a-z\[])", "", example, flags=re.MULTILINE))
    assert ([machine.name for machine in setup.machines], len(setup.origins)) == (["web"], 1)


def test_all_machines_of_libvirt_are_a_files(tmp_path: Path) -> None:
    setup = setup_of(tmp_path, "[machine.vms]\nchannel = 'libvirt:*'\n")
    assert (len(setup.machines), len(setup.origins)) == (0, 1)
    with pytest.raises(UsageError, match=r"stands for many machines: put it into a file"):
        host_channel("libvirt:*")


def test_flags_audit_and_hold_of_machines(tmp_path: Path) -> None:
    text = """
        [defaults]
        audit = "all.jsonl"
        [machine.a]
        channel = "unix:/a"
        no-hold = true
        audit-failure = "stop"
        [machine.b]
        channel = "unix:/b"
        no-hold = false
        audit = "/b.jsonl"
        """
    a, b = setup_of(tmp_path, text).machines
    assert (a.hold, b.hold) == (False, True)
    assert a.config.audit == AuditConfig(tmp_path / "all.jsonl", stops=True)
    assert b.config.audit == AuditConfig(Path("/b.jsonl"), stops=False)
    [everywhere, _] = setup_of(tmp_path, text, "--audit", "c").machines
    assert everywhere.config.audit == AuditConfig(Path("c"), stops=True)


def test_the_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    setup_of(tmp_path, MACHINE)
    path.write_text(f'{MACHINE}[machine.b]\nchannel = "unix:/b"\n')
    _, setup = read_setup(path, parser(), argparse.Namespace())
    assert [machine.name for machine in setup.machines] == ["a", "b"]
