"""The lines that tell programs of the proxy, and the command that prints them."""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.address import Target
from vsocks.cli import main as cli
from vsocks.cli import setup_lines, system_proxy
from vsocks.cli import windows_main as program

pytestmark = pytest.mark.unit

HERE = Target("127.0.0.1", 1080)
on_linux = pytest.mark.skipif(sys.platform == "win32", reason="on Windows these commands are real")


@pytest.mark.parametrize(
    ("listen", "clients"),
    [
        (Target("127.0.0.1", 1080), "127.0.0.1:1080"),
        (Target("0.0.0.0", 1080), "127.0.0.1:1080"),
        (Target("::", 1080), "[::1]:1080"),
        (Target("0:0:0:0:0:0:0:0", 1080), "[::1]:1080"),
        (Target("fd00::1", 1080), "[fd00::1]:1080"),
        (Target("guest.test", 1080), "guest.test:1080"),
    ],
    ids=str,
)
def test_clients_get_an_address_that_they_can_connect_to(listen: Target, clients: str) -> None:
    assert str(setup_lines.as_clients_see_it(listen)) == clients


def after(shell: str, lines: str) -> dict[str, str]:
    """The environment that a shell gives to programs after it has taken these lines."""
    path = shutil.which(shell)
    if not path:
        pytest.skip(f"there is no {shell} on this machine")
    script = 'eval "$1"; exec env -0'
    ended = subprocess.run(
        [path, "-c", script, shell, lines],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert not ended.stderr
    return dict(line.split("=", 1) for line in ended.stdout.split("\0") if line)


@on_linux
@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("proxy", [HERE, Target("::1", 3128)], ids=str)
def test_a_shell_takes_the_lines(shell: str, proxy: Target) -> None:
    found = after(shell, "\n".join(setup_lines.shell_lines(proxy)))
    for name, value in {
        "http_proxy": f"http://{proxy}",
        "https_proxy": f"http://{proxy}",
        "all_proxy": f"socks5h://{proxy}",
        "no_proxy": "localhost,127.0.0.1,::1",
    }.items():
        assert found[name] == found[name.upper()] == value


@on_linux
def test_a_shell_undoes_them_with_the_line_that_says_so() -> None:
    lines = list(setup_lines.shell_lines(HERE))
    (undo,) = (line.partition(": ")[2] for line in lines if line.startswith("# to undo"))
    assert not [name for name in after("sh", "\n".join([*lines, undo])) if "proxy" in name.lower()]


@pytest.mark.parametrize("start", ["rem ", "reg add ", "netsh ", "set ", "setx "])
def test_cmd_gets_commands_of_each_kind(start: str) -> None:
    assert [line for line in setup_lines.cmd_lines(HERE) if line.startswith(start)]


def test_cmd_gets_what_its_redirections_mean_in_quotes() -> None:
    """A `<` would else name a file to read from."""
    for line in setup_lines.cmd_lines(Target("fd00::1", 65535)):
        for outside in line.split('"')[::2]:
            assert not set(outside) & set("<>|&^%")


@on_linux
def test_the_command_prints_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """That of the exe too, which on Linux is there for no other purpose than to be tried."""
    expected = "\n".join([*setup_lines.shell_lines(Target("::1", 3128)), ""])
    assert cli.main(["system-proxy", "show", "--listen", "[::]:3128"]) == 0
    assert capsys.readouterr().out == expected
    assert program.main(["system-proxy", "show", "--listen", "[::1]:3128"]) == 0
    assert capsys.readouterr().out == expected


@on_linux
@pytest.mark.parametrize("command", ["on", "off", "status"])
def test_linux_has_no_settings_that_all_programs_take(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["system-proxy", command]) == 2
    told = capsys.readouterr().err
    assert told.startswith("vsocks system-proxy: error: only Windows has settings")
    assert told.endswith("system-proxy show\n")
    assert len(told.splitlines()) == 1


hosts = st.text(max_size=12) | st.ip_addresses().map(str) | st.sampled_from(["", "[::1", "a b"])
ports = st.text(max_size=6) | st.integers(-2, 70_000).map(str)


@on_linux
@given(st.builds("{}:{}".format, hosts, ports) | st.text(max_size=20))
def test_whatever_is_given_as_address_a_shell_gets_it_whole_or_not_at_all(text: str) -> None:
    """Nothing in it can mean anything else to a shell."""
    parser = argparse.ArgumentParser()
    system_proxy.add_commands(parser)
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            proxy = parser.parse_args(["show", f"--listen={text}"]).listen
        except SystemExit:
            return
    assert 0 < proxy.port < 65536
    assert all(letter.isascii() and (letter.isalnum() or letter in "._-:") for letter in proxy.host)


@pytest.mark.parametrize("listen", ["1080", "$(id):1", "a'b:1", "host:0", "host:65536", "h:\u0661"])
def test_an_address_that_is_none_is_refused(
    listen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(["system-proxy", "show", "--listen", listen])
    assert refused.value.code == 2
    assert f"'{listen}' is not ADDR:PORT" in capsys.readouterr().err
