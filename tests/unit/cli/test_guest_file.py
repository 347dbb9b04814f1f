"""The guest's configuration file: every option has its key, and what is wrong is said by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsocks.address import Target
from vsocks.cli.arguments import Parser
from vsocks.cli.config_file import ConfigError
from vsocks.cli.config_options import NO_KEYS
from vsocks.cli.guest_file import guest_keys, read_guest_file
from vsocks.cli.guest_options import add_guest_options
from vsocks.protocol.endpoint import Wire

pytestmark = pytest.mark.unit

ALL = """\
channel = "unix:/run/x"
listen = ["127.0.0.1:1", "[::1]:2"]
dns = "127.0.0.1:53"
expose = ["22", "127.0.0.1:3389"]
users-file = "users"
max-streams = 7
max-associations = 8
max-header-size = 2048
handshake-timeout = 1.5
keep-alive-timeout = 2
wire = "original"
idle-timeout = 3
half-close-timeout = 4
udp-idle-timeout = 5
verbose = true
trace = "/var/trace"
log-format = "json"
"""


def parser() -> Parser:
    made = Parser(prog="vsocks guest")
    add_guest_options(made)
    return made


def written(folder: Path, text: str) -> str:
    path = folder / "guest.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_every_long_option_has_its_key(tmp_path: Path) -> None:
    keys = {line.partition(" ")[0] for line in ALL.splitlines()}
    options = {
        name.removeprefix("--")
        for option in parser().options
        for name in option.option_strings
        if name.startswith("--")
    }
    assert set(guest_keys(parser())) == options - set(NO_KEYS)
    assert keys == set(guest_keys(parser()))


def test_a_file_says_the_same_as_the_command_line(tmp_path: Path) -> None:
    options = vars(parser().parse_args(["--config", written(tmp_path, ALL)]))
    words = [
        *("--channel", "unix:/run/x", "--listen", "127.0.0.1:1", "--listen", "[::1]:2"),
        *("--dns", "127.0.0.1:53", "--expose", "22", "--expose", "127.0.0.1:3389"),
        *("--users-file", str(tmp_path / "users"), "--max-streams", "7"),
        *("--max-associations", "8", "--max-header-size", "2048", "--handshake-timeout", "1.5"),
        *("--keep-alive-timeout", "2", "--wire", "original", "--idle-timeout", "3"),
        *("--half-close-timeout", "4", "--udp-idle-timeout", "5", "--verbose"),
        *("--trace", "/var/trace", "--log-format", "json"),
    ]
    typed = vars(parser().parse_args(words))
    assert options.pop("config") == tmp_path / "guest.toml"
    assert typed.pop("config") is None
    assert options == typed


def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    words = ["--config", written(tmp_path, ALL), "--listen", "127.0.0.1:9", "--wire", "auto"]
    options = parser().parse_args([*words, "--max-streams", "64"])
    assert options.listen == [("127.0.0.1", 9)]
    # The default, too, if it is typed.
    assert (options.wire, options.max_streams) == (Wire.AUTO, 64)
    assert options.expose == [Target("127.0.0.1", 22), Target("127.0.0.1", 3389)]


def test_a_parser_can_be_used_twice(tmp_path: Path) -> None:
    used = parser()
    for _ in range(2):
        assert used.parse_args(["--expose", "22"]).expose == [Target("127.0.0.1", 22)]
    assert used.parse_args([]).expose == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\nmax-stream = 3", ":2: max-stream: there is no such key; did you mean max-streams?"),
        ("idle_timeout = 3", ":1: idle_timeout: there is no such key; did you mean idle-timeout?"),
        ("zzz = 3", ":1: zzz: there is no such key; the keys are the long options of --help"),
        ("user = ['a:b']", ":1: user: it has no place in a file: passwords stay out of it: name"),
        ("config = 'x'", ":1: config: it has no place in a file: a file names no other"),
        ("max-streams = 0", ":1: max-streams: '0' is not a number from 1 to "),
        ("max-streams = 1.0", ":1: max-streams: '1.0' is not a number from 1 to "),
        ("max-streams = true", ":1: max-streams: it must be text in quotes, or a number"),
        ("channel = ['unix:x']", ":1: channel: it must be text in quotes, or a number"),
        ("channel = 'unics:x'", ":1: channel: channel 'unics:x': 'unics' is no kind of channel"),
        ("listen = '127.0.0.1:1'", ':1: listen: it must be a list: listen = ["…", "…"]'),
        ("expose = [\n'22',\n'x:22']", ":3: expose: 'x:22' is not [ADDR:]PORT: "),
        ("wire = 'new'", ":1: wire: 'new' is none of auto, "),
        ("verbose = 'yes'", ":1: verbose: it must be true, false or a number from 0"),
        ("\n[a]\nwire = 1", ":2: a: there is no such key"),
        ("wire = auto", ":1: no TOML: Invalid value: text goes in quotes"),
        ("listen = [\n'x'", ":2: no TOML: Unclosed array"),
        ("\nwire = 'auto'\nwire = 'auto'", ":3: no TOML: Cannot overwrite a value"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--config", path])
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"vsocks guest: error: {path}{says}")


def test_all_that_is_wrong_is_known_by_line(tmp_path: Path) -> None:
    path = written(tmp_path, "wire = 1\nexpose = ['x',\n'y']\nmax = 3\n")
    with pytest.raises(ConfigError) as wrong:
        read_guest_file(Path(path), parser())
    assert [(each.line, each.key) for each in wrong.value.problems] == [
        (1, "wire"),
        (2, "expose"),
        (3, "expose"),
        (4, "max"),
    ]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\n\nwire = '\xff'", ":3: not UTF-8"),
        (b"#" * (1 << 20) + b"\n", ": longer than "),
        (b"a = " + b"[" * 5000, ": it is nested too deeply"),
        (None, ": can't be read: No such file or directory"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, data: bytes | None, says: str) -> None:
    path = tmp_path / "guest.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError) as wrong:
        read_guest_file(path, parser())
    assert str(wrong.value).startswith(f"{path}{says}")


def test_what_windows_editors_write(tmp_path: Path) -> None:
    """A mark at the beginning, and lines that end in CR LF."""
    path = tmp_path / "guest.toml"
    path.write_bytes(b"\xef\xbb\xbfwire = 'original'\r\nmax-streams = 3\r\n")
    options = parser().parse_args(["--config", str(path)])
    assert (options.wire, options.max_streams) == (Wire.ORIGINAL, 3)
    path.write_bytes(b"wire = 'original'\r\n\r\nmax = 3\r\n")
    with pytest.raises(ConfigError, match=r":3: max: "):
        read_guest_file(path, parser())
