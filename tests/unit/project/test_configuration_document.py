"""docs/configuration.md has every key, and no other; its example is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vsocks.cli.arguments import Parser
from vsocks.cli.guest_file import guest_keys, read_guest_file
from vsocks.cli.guest_options import add_guest_options
from vsocks.cli.host_file import daemon_keys, default_keys, machine_keys, read_host_file
from vsocks.cli.host_options import add_host_options
from vsocks.host.machines import Setup

pytestmark = pytest.mark.unit

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"


def section(title: str) -> str:
    return DOCUMENT.read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]


def keys_in(title: str, part: str = "") -> list[str]:
    text = section(title)
    if part:
        text = text.partition(f"### {part}\n")[2].partition("\n### ")[0]
    return re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)


def guest_parser() -> Parser:
    parser = Parser(prog="vsocks guest")
    add_guest_options(parser)
    return parser


def host_parser() -> Parser:
    parser = Parser(prog="vsocks host")
    add_host_options(parser)
    return parser


def test_the_guests_keys_are_all_there() -> None:
    keys = keys_in("The guest's keys")
    assert sorted(keys) == sorted(guest_keys(guest_parser()))


def test_the_hosts_keys_are_all_there() -> None:
    host = host_parser()
    for_all = keys_in("The host's file", "For all machines")
    assert sorted(for_all) == sorted(daemon_keys(host))
    of_one = keys_in("The host's file", "For a machine, or in `[defaults]`")
    assert sorted(of_one) == sorted(machine_keys(host))
    not_for_defaults = set(machine_keys(host)) - set(default_keys(host))
    assert not_for_defaults == {"channel", "trace"}


def test_what_the_host_takes_unless_told_otherwise() -> None:
    text, setup = section("The host's file"), Setup(())
    assert f"| number ({setup.most}): machines at once |" in text
    assert f"| number ({setup.connections}) |" in text


def test_the_hosts_example_is_right(tmp_path: Path) -> None:
    text = section("The host's file")
    example = "\n".join(re.findall(r"^    (.*)$", text.partition("### Reload")[0], re.MULTILINE))
    path = tmp_path / "host.toml"
    path.write_text(example, "utf-8")
    assert set(read_host_file(path, host_parser()).machines) == {"web", "db", "lab"}


def test_the_example_is_right(tmp_path: Path) -> None:
    lines = re.findall(r"^    (.*)$", section("The form"), re.MULTILINE)
    path = tmp_path / "guest.toml"
    path.write_text("\n".join(lines), "utf-8")
    assert len(read_guest_file(path, guest_parser())) == len(lines) == 4
