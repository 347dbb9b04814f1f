"""What people get wrong: each mistake is told in words that say what to do, and by its status."""

from __future__ import annotations

import grp
import pwd
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vsocks
from tests.integration.support.another_user import folder_for_all, unprivileged
from tests.integration.support.command_line import (
    FORBIDDEN,
    UNAVAILABLE,
    assert_refused,
    run,
)
from tests.integration.support.daemon import Daemon
from tests.integration.support.namespaces import offline
from tests.integration.support.pair import LISTENING
from tests.integration.support.waiting import DEADLINE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

COMMANDS = ["guest", "host", "check-config", "decode", "system-proxy"]
NOT_THERE = "the channel isn't there yet: "


# -- the command line ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (["guest", "--listen", "127.0.0.1:65536"], "--listen"),
        (["guest", "--dns", "127.0.0.1:65536"], "--dns"),
        (["host", "--channel", "unix:x", "--forward", "65536:127.0.0.1:80"], "--forward"),
        (["host", "--channel", "unix:x", "--allow", "example.com:65536"], "--allow"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_port_that_is_too_high(arguments: list[str], argument: str) -> None:
    assert_refused(run(*arguments), argument, "65536", "ports go from 0 to 65535")


def test_a_channel_at_a_port_that_is_too_high() -> None:
    assert_refused(run("host", "--channel", "tcp:127.0.0.1:65536"), "ports go from 1 to 65535")


@pytest.mark.parametrize(
    ("rule", "meant"),
    [
        ("https://example.com/", "'example.com:443'"),
        ("http://example.com:8080/path", "'example.com:8080'"),
        ("HTTP://user@example.com", "'example.com:80'"),
        ("gopher://example.com", "'example.com'"),
    ],
)
def test_a_rule_that_is_a_url(rule: str, meant: str) -> None:
    done = run("host", "--channel", "unix:x", "--allow", rule)
    assert_refused(done, f"'{rule}'", "it is a URL", f"did you mean {meant}?")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_names_the_command(command: str) -> None:
    needed = {"host": ["--channel", "unix:x"], "decode": ["-"], "system-proxy": ["show"]}
    needed["check-config"] = ["file"]
    done = run(command, *needed.get(command, []), "--colour")
    where = "vsocks system-proxy show" if command == "system-proxy" else f"vsocks {command}"
    assert_refused(done, f"{where}: error: unrecognized arguments: --colour", f"{where} --help")


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("host", "--channel", ["unix:x", "unix:y"]),
        ("host", "--wire", ["auto", "auto"]),
        ("host", "--dial-timeout", ["5", "6"]),
        ("guest", "--dns", ["127.0.0.1:53", "[::1]:53"]),
        ("guest", "--max-streams", ["64", "64"]),
    ],
)
def test_one_value_is_given_twice(command: str, option: str, values: list[str]) -> None:
    done = run(command, *(word for value in values for word in (option, value)))
    assert_refused(done, f"vsocks {command}: error: argument {option}: it is given twice")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_its_version(command: str) -> None:
    done = run(command, "--version")
    assert (done.returncode, done.stdout) == (0, f"vsocks {vsocks.__version__}\n")


def test_a_host_has_no_port_of_a_guest() -> None:
    assert_refused(run("host", "--channel", "auto"), "'auto' is for guests", "unix:PATH")


# -- where it listens ----------------------------------------------------------------------


def test_a_name_to_listen_on_that_does_not_resolve(tmp_path: Path) -> None:
    channel = f"unix-listen:{tmp_path / 'channel'}"
    done = run("guest", "--channel", channel, "--listen", "nobody.invalid:1080", prefix=offline())
    says = "can't listen on nobody.invalid:1080: the name has no address here"
    assert_refused(done, says, status=UNAVAILABLE)


@pytest.mark.parametrize("option", ["--listen", "--dns"])
def test_an_address_that_is_another_machines(tmp_path: Path, option: str) -> None:
    channel = f"unix-listen:{tmp_path / 'channel'}"
    others = {"--listen": "127.0.0.1:0", option: "203.0.113.1:1080"}
    done = run("guest", "--channel", channel, *(word for pair in others.items() for word in pair))
    says = "203.0.113.1:1080: it is no address of this machine\n"
    assert_refused(done, says, status=UNAVAILABLE)


def test_everybody_may_use_the_proxy(tmp_path: Path) -> None:
    warning = r"WARNING whoever reaches 0\.0\.0\.0:\d+ can use the proxy: --users-file asks"
    channel = f"unix-listen:{tmp_path / 'channel'}"
    arguments = ("guest", "--channel", channel, "--listen", "0.0.0.0:0")
    with Daemon(arguments, tmp_path / "guest.log") as guest:
        guest.wait_for_log(warning)
    for more in (("--user", "ann:secret"), ("--listen", "127.0.0.1:0")):
        listen = arguments if more[0] == "--user" else arguments[:3]
        with Daemon((*listen, *more), tmp_path / "other.log") as guest:
            guest.wait_for_log("waiting for the channel")
            assert not any("whoever" in line for line in guest.lines)


# -- the channel's path --------------------------------------------------------------------


@pytest.mark.parametrize("command", ["guest", "host"])
def test_a_folder_for_a_socket(tmp_path: Path, command: str) -> None:
    listen = ["--listen", "127.0.0.1:0"] if command == "guest" else []
    done = run(command, "--channel", f"unix:{tmp_path}", *listen)
    assert_refused(done, f"{tmp_path}: it is a folder", "name the socket in it")


def test_a_file_for_a_socket(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with Daemon(("host", "--channel", f"unix:{file}"), tmp_path / "host.log") as host:
        host.wait_for_log(f"{NOT_THERE}.*what is there is a file, not a socket")


def test_a_socket_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "run" / "vm" / "socket"
    with Daemon(("host", "--channel", f"unix:{path}"), tmp_path / "host.log") as host:
        host.wait_for_log(f"{NOT_THERE}.*the folder {tmp_path}/run isn't there")


def test_listening_where_a_file_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("precious")
    done = run("host", "--channel", f"unix-listen:{file}")
    assert_refused(done, f"listen on {file}", "is no socket", status=UNAVAILABLE)
    assert file.read_text() == "precious"


def test_listening_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    done = run("host", "--channel", f"unix-listen:{tmp_path}/run/socket")
    assert_refused(done, f"the folder {tmp_path}/run isn't there", status=UNAVAILABLE)


@pytest.mark.parametrize("device", ["/dev/null", "file", "."])
def test_a_serial_line_that_is_none(tmp_path: Path, device: str) -> None:
    (tmp_path / "file").touch()
    done = run("host", "--channel", f"serial:{tmp_path / device}")
    assert_refused(done, f"{tmp_path / device}: it is no serial line")


# -- rights --------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder


def test_a_socket_that_is_anothers(open_folder: Path, tmp_path: Path) -> None:
    path = open_folder / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0)
        found = path.stat()
        owner, group = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
        arguments = ("host", "--channel", f"unix:{path}")
        with Daemon(arguments, tmp_path / "host.log", prefix=unprivileged()) as host:
            says = f"Permission denied: {path} belongs to {owner}, group {group} .s-{{9}}."
            host.wait_for_log(f"{NOT_THERE}{says}, and this is .*; run it as {owner}, or give")


def test_a_folder_that_is_anothers(open_folder: Path, tmp_path: Path) -> None:
    prefix = unprivileged()
    closed = open_folder / "closed"
    closed.mkdir()
    closed.chmod(0)
    arguments = ("host", "--channel", f"unix:{closed / 'socket'}")
    with Daemon(arguments, tmp_path / "host.log", prefix=prefix) as host:
        host.wait_for_log(f"{NOT_THERE}Permission denied: the folder {closed} belongs to ")
    done = run("host", "--channel", f"unix-listen:{closed / 'socket'}", prefix=prefix)
    assert_refused(done, f"the folder {closed} belongs to", status=FORBIDDEN)
    closed.chmod(0o755)


# -- what is missing, and who is there -----------------------------------------------------


@pytest.mark.parametrize(
    ("module", "arguments", "debian"),
    [
        ("serial_asyncio", ["--channel", "serial:/dev/ttyS99"], "python3-serial-asyncio"),
        ("aiohappyeyeballs", ["--channel", "unix:x"], "python3-aiohappyeyeballs"),
        ("libvirt", ["--channel", "libvirt:machine"], "python3-libvirt"),
    ],
)
def test_a_package_that_is_missing(
    tmp_path: Path, module: str, arguments: list[str], debian: str
) -> None:
    # As if it weren't installed, from the first import on.
    code = (
        f"import runpy, sys\n"
        f"class No:\n"
        f"    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {module!r}:\n"
        f"            raise ModuleNotFoundError(f'No module named {{name}}', name=name)\n"
        f"sys.meta_path.insert(0, No())\n"
        f"sys.argv = ['vsocks', 'host', *{arguments!r}]\n"
        f"runpy.run_module('vsocks', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert_refused(done, "isn't installed", f"apt install {debian}, or pip", status=UNAVAILABLE)


@pytest.mark.parametrize("command", ["guest", "host"])
def test_another_program_at_the_other_end(tmp_path: Path, command: str) -> None:
    path = tmp_path / "channel"
    listen = ("--listen", "127.0.0.1:0") if command == "guest" else ()
    arguments = (command, "--channel", f"unix:{path}", *listen)
    peer = {"guest": "host", "host": "guest"}[command]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(DEADLINE)
        with Daemon(arguments, tmp_path / "daemon.log") as daemon:
            if command == "guest":
                daemon.wait_for_log(LISTENING)
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"\x1b[2Jlogin: ")
                daemon.wait_for_log(
                    rf"no vsocks {peer} has shaken hands .* begin with b'\\x1b\[2Jlogin: '"
                )
