"""The control socket and the commands that ask there: what they tell, and what they do."""

from __future__ import annotations

import grp
import json
import os
import pty
import select
import signal
import socket
import stat
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.another_user import folder_for_all, unprivileged
from tests.integration.support.asking import Asking, answer
from tests.integration.support.behaviours import echo
from tests.integration.support.command_line import FORBIDDEN, UNAVAILABLE, assert_refused, run
from tests.integration.support.daemon import Daemon
from tests.integration.support.layouts import free_port
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.integration.support.udp import Association, udp_target
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support import socks
from tests.support.program import running
from tests.support.receiving import receive_exactly
from tests.support.socks_messages import RefusedError
from vsocks.control.lines import LONGEST_REQUEST
from vsocks.host.control_socket import MOST

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    return Asking(tmp_path)


@pytest.fixture
def asked(start_pair: StartPair, asking: Asking) -> Pair:
    """A pair whose host listens there; loopback targets are allowed."""
    return start_pair(host_options=(*ALLOW_LOOPBACK, *asking.options))


# -- what is told --------------------------------------------------------------------------


def test_status_tells_of_the_daemon_and_its_machine(asked: Pair, asking: Asking) -> None:
    daemon, machine = asking.told("status")
    assert (daemon["item"], daemon["pid"]) == ("daemon", asked.host.pid)
    assert machine["item"] == "machine"
    assert machine["name"] == machine["channel"] == asked.ends.host
    assert machine["channel_open"]
    assert machine["session_seconds"] >= 0
    assert machine["connections"] == 0
    first, heads, row = asking.say("status").splitlines()
    assert f"process {asked.host.pid}" in first
    assert heads.split() == ["MACHINE", "SESSION", "CONNECTIONS", "SENT", "RECEIVED"]
    assert row.startswith(asked.ends.host)


def test_status_tells_that_no_guest_is_there(asked: Pair, asking: Asking) -> None:
    asked.guest.stop()
    asked.host.wait_for_log("session lost")
    _, machine = asking.told("status")
    assert machine["session_seconds"] is None
    assert "no channel" in asking.say("status") or "none yet" in asking.say("status")


def test_a_connection_is_told_of_with_its_bytes(
    asked: Pair, asking: Asking, serve: StartTarget
) -> None:
    target = serve(echo)
    with socks.connect(asked.proxy, ("localhost", target.port)) as sock:
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"
        [connection] = asking.told("connections")
        assert connection["kind"] == "connect"
        assert connection["number"] == "c1"
        assert connection["target"] == f"localhost:{target.port}"
        assert connection["address"] == f"127.0.0.1:{target.port}"
        assert connection["connected"]
        assert (connection["sent"], connection["received"]) == (5, 5)
        assert asking.told("connections", asked.ends.host)[0]["id"] == connection["id"]
        _, row = asking.say("connections").splitlines()
        assert row.split()[:4] == [str(connection["id"]), asked.ends.host, "c1", "connect"]
    eventually(lambda: assert_none(asking))
    _, machine = asking.told("status")
    assert (machine["sent"], machine["received"]) == (5, 5)


def assert_none(asking: Asking) -> None:
    assert asking.told("connections") == []


def test_an_association_is_told_of(asked: Pair, asking: Asking) -> None:
    with udp_target() as target, Association(asked.proxy) as association:
        assert association.exchange(target.address, b"hello")[1] == b"hello"
        [told] = asking.told("connections")
        assert (told["kind"], told["target"]) == ("association", None)
        assert (told["sent"], told["received"]) == (5, 5)
        asking.say("close", str(told["id"]))
        eventually(lambda: assert_none(asking))


def test_check_says_which_rule_decides(start_pair: StartPair, asking: Asking) -> None:
    rules = ("--allow", "127.0.0.0/8", "--deny", "*.evil.test")
    pair = start_pair(host_options=(*rules, *asking.options))
    by_name = asking.run("check", "c2.evil.test:443", "--json")
    assert by_name.returncode == 1
    assert '"address": null' in by_name.stdout
    assert '"rule": "deny *.evil.test"' in by_name.stdout
    [allowed] = asking.told("check", pair.ends.host, "127.0.0.1:80")
    assert (allowed["allowed"], allowed["rule"]) == (True, "allow 127.0.0.0/8")
    assert (allowed["address"], allowed["port"], allowed["name"]) == ("127.0.0.1", 80, None)
    denied = asking.run("check", "169.254.169.254:80")
    assert denied.returncode == 1
    assert "denied   built-in: cloud metadata (169.254.169.254/32)" in denied.stdout
    localhost = asking.told("check", "localhost:80")
    assert ("127.0.0.1", True) in [(each["address"], each["allowed"]) for each in localhost]
    assert {each["name"] for each in localhost} == {"localhost"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "example.com"], "'example.com' is not NAME:PORT or ADDR:PORT"),
        (["check", "example.com:99999"], "'99999' is no port"),
        (["forward", "add", "80"], "'80' is not [ADDR:]PORT:GUESTADDR:GUESTPORT"),
        (["forward", "remove", "here:80"], "'here:80' is not [ADDR:]PORT"),
        (["close", "first"], "argument ID: invalid int value"),
    ],
)
def test_wrong_use_is_said(asked: Pair, asking: Asking, words: list[str], says: str) -> None:
    assert asked.host.process.poll() is None
    assert_refused(asking.run(*words), says)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["close", "4711"], "no connection has the id 4711: see vsocks connections"),
        (["check", "web", "127.0.0.1:80"], "no machine is called 'web': unix:"),
        (["connections", "web"], "no machine is called 'web'"),
        (["forward", "remove", "80"], "127.0.0.1:80 isn't forwarded: see vsocks forward list"),
        (["check", "no-such-name.invalid:80"], "no rule denies the name, but no-such-name"),
    ],
)
def test_what_is_not_there_is_said(
    asked: Pair, asking: Asking, words: list[str], says: str
) -> None:
    assert asked.host.process.poll() is None
    assert_refused(asking.run(*words), says, status=UNAVAILABLE)


# -- what is done --------------------------------------------------------------------------


def test_close_resets_one_connection(asked: Pair, asking: Asking, serve: StartTarget) -> None:
    target = serve(echo)
    with (
        socks.connect(asked.proxy, target.address) as first,
        socks.connect(asked.proxy, target.address) as second,
    ):
        one, other = asking.told("connections")
        [closed] = asking.told("close", str(one["id"]))
        assert closed["id"] == one["id"]
        asked.host.wait_for_log(rf"user {os.getuid()} asks: Close\(id={one['id']}\)")
        with pytest.raises(ConnectionResetError):
            first.recv(1)
        second.sendall(b"still there")
        assert receive_exactly(second, 11) == b"still there"
        assert [each["id"] for each in asking.told("connections")] == [other["id"]]
        assert_refused(asking.run("close", str(one["id"])), status=UNAVAILABLE)


def test_a_forward_comes_and_goes_while_the_daemon_runs(
    start_pair: StartPair, asking: Asking, serve: StartTarget
) -> None:
    target = serve(echo)
    start_pair(guest_options=("--expose", str(target.port)), host_options=asking.options)
    assert asking.told("forward", "list") == []
    [added] = asking.told("forward", "add", f"0:127.0.0.1:{target.port}")
    assert added["target"] == f"127.0.0.1:{target.port}"
    assert asking.told("forward", "list") == [added]
    host, _, port = added["listen"].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"
        [connection] = asking.told("connections")
        assert connection["kind"] == "forward"
        assert connection["client"] == "{}:{}".format(*sock.getsockname())
        taken = asking.run("forward", "add", f"{added['listen']}:127.0.0.1:80")
        assert_refused(taken, "can't listen on", "in use", status=UNAVAILABLE)
        assert asking.told("forward", "remove", port) == [added]
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert asking.told("forward", "list") == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=20)


def test_reload_does_what_the_signal_does(
    start_pair: StartPair, asking: Asking, tmp_path: Path
) -> None:
    audit = tmp_path / "audit"
    pair = start_pair(host_options=("--audit", str(audit), *asking.options))
    audit.rename(tmp_path / "audit.1")
    assert asking.say("reload") == ""
    pair.host.wait_for_log("has been opened anew")
    assert audit.exists()


# -- who may ask ---------------------------------------------------------------------------


def test_the_socket_is_the_groups_alone_and_goes_with_the_daemon(
    start_pair: StartPair, asking: Asking
) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    pair = start_pair(host_options=(*asking.options, "--control-group", group))
    found = asking.path.stat()
    assert stat.filemode(found.st_mode) == "srw-rw----"
    assert found.st_gid == os.getgid()
    pair.host.stop()
    assert not asking.path.exists()


def test_whoever_is_not_in_the_group_is_told_whose_it_is(start_pair: StartPair) -> None:
    prefix = unprivileged()
    if not prefix:
        pytest.skip("there is no other user")
    with folder_for_all() as folder:
        asking = Asking(folder)
        start_pair(host_options=asking.options)
        refused = asking.run("status", prefix=prefix)
        assert_refused(refused, "can't ask at", "belongs to root", "srw-rw----", status=FORBIDDEN)


def test_a_guest_does_not_get_there(asked: Pair, asking: Asking) -> None:
    """Not even if it may reach all of the loopback."""
    path = str(asking.path)
    for name in (path, f"unix:{path}", f"unix://{path}", f"@{path}", "control.sock"):
        with pytest.raises((RefusedError, ConnectionError)):
            socks.connect(asked.proxy, (name[:255], 80))
    assert asking.told("connections") == []
    assert not [line for line in asked.host.lines if "control socket has" in line]


def test_without_the_option_there_is_none(start_pair: StartPair, asking: Asking) -> None:
    start_pair()
    refused = asking.run("status")
    assert_refused(
        refused,
        f"no host daemon answers at {asking.path}: No such file or directory",
        f"start it with --control {asking.path}",
        status=UNAVAILABLE,
    )


# -- a socket that can't be had ------------------------------------------------------------


def host_with(tmp_path: Path, *options: str) -> Daemon:
    arguments = ("host", "--channel", f"unix-listen:{tmp_path}/c2", *options)
    return Daemon(arguments, tmp_path / "second.log")


def test_an_old_socket_is_replaced(asked: Pair, asking: Asking) -> None:
    asked.host.kill()
    assert asking.path.exists()
    asked.start_host()
    asked.wait_session()
    assert len(asking.told("status")) == 2


def test_a_socket_in_use_is_left_alone(asked: Pair, asking: Asking, tmp_path: Path) -> None:
    assert asked.host.process.poll() is None
    with host_with(tmp_path, *asking.options) as second:
        assert second.wait() == UNAVAILABLE
        assert f"no control socket at {asking.path}: another daemon listens" in second.lines[-1]
    assert len(asking.told("status")) == 2


def test_a_file_is_left_alone(asking: Asking, tmp_path: Path) -> None:
    asking.path.write_text("mine")
    with host_with(tmp_path, *asking.options) as host:
        assert host.wait() == UNAVAILABLE
        assert "what is there is no socket" in host.lines[-1]
    assert asking.path.read_text() == "mine"


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    with host_with(tmp_path, "--control", f"{tmp_path}/no/control.sock") as host:
        assert host.wait() == UNAVAILABLE
        assert "its folder isn't there; make it" in host.lines[-1]


def test_a_group_needs_a_socket_and_must_exist() -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    without = run("host", "--channel", "unix:x", "--control-group", group)
    assert_refused(without, "--control PATH, which is missing")
    unknown = run("host", "--channel", "unix:x", "--control", "y", "--control-group", "no-such")
    assert_refused(unknown, "'no-such' is not GROUP: this machine has no such group")


# -- by bytes ------------------------------------------------------------------------------


def test_one_request_follows_the_other(asked: Pair, asking: Asking) -> None:
    assert asked.host.process.poll() is None
    with asking.connect() as client:
        daemon, machine, end = answer(client, b'{"version": 1, "request": "status"}')
        assert (daemon["item"], machine["item"]) == ("daemon", "machine")
        assert end == {"version": 1, "end": "done"}
        [wrong] = answer(client, b"status")
        assert (wrong["end"], wrong["kind"]) == ("failed", "usage")
        assert wrong["text"] == "not understood: it is no JSON"
        [end] = answer(client, b'{"version": 1, "request": "connections"}')
        assert end == {"version": 1, "end": "done"}


def test_a_line_without_end_is_not_kept(asked: Pair, asking: Asking) -> None:
    assert asked.host.process.poll() is None
    with asking.connect() as client:
        client.sendall(b"x" * LONGEST_REQUEST)
        with client.makefile("rb") as answers:
            [wrong] = map(json.loads, answers)
    assert wrong["text"] == f"not understood: a line has more than {LONGEST_REQUEST} bytes"


def test_clients_are_few(asked: Pair, asking: Asking) -> None:
    clients = [asking.connect() for _ in range(MOST)]
    for client in clients:
        assert answer(client, b'{"version": 1, "request": "connections"}')
    with asking.connect() as one_more:
        assert one_more.recv(1) == b""
    asked.host.wait_for_log(f"the control socket has {MOST} clients: one more was closed")
    for client in clients:
        client.close()
    eventually(lambda: assert_status(asking))


def assert_status(asking: Asking) -> None:
    done = asking.run("status")
    assert not done.returncode, done.stderr


# -- top, metrics --------------------------------------------------------------------------


def test_top_writes_a_line_for_each_machine_into_a_pipe(asked: Pair, asking: Asking) -> None:
    lines = asking.say("top", "--times", "2", "--interval", "0.1").splitlines()
    assert len(lines) == 2
    for line in lines:
        assert f" {asked.ends.host}: session " in line
        assert line.endswith("connections 0, sent 0 B/s, received 0 B/s")


def test_top_shows_tables_on_a_terminal(asked: Pair, asking: Asking, serve: StartTarget) -> None:
    target = serve(echo)
    ours, theirs = pty.openpty()
    # Whoever began these tests in the background may have had them ignore SIGINT.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "vsocks", "top"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "30"}
    with (
        socks.connect(asked.proxy, target.address),
        running([*command, *asking.options], stdin=theirs, stdout=theirs, env=environment) as top,
    ):
        os.close(theirs)
        shown = b""
        while b"connect " not in shown or f":{target.port}".encode() not in shown:
            assert select.select([ours], [], [], DEADLINE)[0], shown
            shown += os.read(ours, 65536)
        assert b"RECEIVED/S" in shown
        top.send_signal(signal.SIGINT)
        with suppress(OSError):  # the terminal's other end has gone
            while select.select([ours], [], [], DEADLINE)[0]:
                os.read(ours, 65536)
        os.close(ours)
        assert top.wait(DEADLINE) == 0


def test_top_ends_with_the_daemon(asked: Pair, asking: Asking) -> None:
    command = [sys.executable, "-m", "vsocks", "top", "--interval", "0.05", *asking.options]
    with running(command, stdout=PIPE, stderr=PIPE, text=True) as top:
        assert top.stdout is not None
        assert top.stdout.readline()
        asked.host.stop()
        _, errors = top.communicate(timeout=DEADLINE)
    assert top.returncode == UNAVAILABLE
    assert errors.startswith("vsocks top: error: the host daemon ")


def test_metrics_come_both_ways(start_pair: StartPair, asking: Asking) -> None:
    port = free_port()
    pair = start_pair(host_options=(*asking.options, "--metrics", f"127.0.0.1:{port}"))
    url = f"http://127.0.0.1:{port}/metrics"
    pair.host.wait_for_log(f"metrics: {url}")
    with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
        fetched = answer.read().decode()
    for text in (fetched, asking.say("metrics")):
        samples = {
            sample.name: sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        up = samples["vsocks_session_up"]
        assert (up.labels, up.value) == ({"machine": pair.ends.host}, 1.0)
    assert not [line for line in pair.host.lines if "other machines can read" in line]


def without(package: str, folder: Path) -> dict[str, str]:
    """The environment of a Python that lacks a package."""
    (folder / package).mkdir()
    text = f"raise ModuleNotFoundError('No module named {package}', name={package!r})\n"
    (folder / package / "__init__.py").write_text(text)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def test_a_daemon_without_the_package_of_the_metrics_says_so(
    start_pair: StartPair, asking: Asking, tmp_path: Path
) -> None:
    lacking = without("prometheus_client", tmp_path)
    pair = start_pair(host_options=asking.options, environment=lacking)
    refused = asking.run("metrics")
    assert_refused(refused, "prometheus-client isn't installed where", status=UNAVAILABLE)
    assert len(asking.told("status")) == 2
    pair.host.stop()
    arguments = ("host", "--channel", pair.ends.host, "--metrics", "127.0.0.1:0")
    with Daemon(arguments, tmp_path / "second.log", environment=lacking) as second:
        assert second.wait() == UNAVAILABLE
        assert "prometheus-client isn't installed: apt install python3-" in second.lines[-1]


def test_tables_on_a_terminal_need_a_package(asked: Pair, asking: Asking, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "vsocks", "top", *asking.options]
    environment = {**os.environ, **without("rich", tmp_path)}
    with running(
        command, stdin=theirs, stdout=theirs, stderr=PIPE, text=True, env=environment
    ) as top:
        _, errors = top.communicate(timeout=DEADLINE)
    os.close(ours)
    os.close(theirs)
    assert top.returncode == UNAVAILABLE
    assert "the Python package rich isn't installed: apt install python3-rich" in errors


def test_metrics_for_other_machines_are_warned_of(start_pair: StartPair) -> None:
    pair = start_pair(host_options=("--metrics", "0.0.0.0:0"))
    pair.host.wait_for_log("WARNING other machines can read the metrics at 0.0.0.0")


# -- several machines ----------------------------------------------------------------------


@pytest.fixture
def several(asking: Asking, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon for two machines, without guests, and one whose channel can't be had."""
    (tmp_path / "host.toml").write_text(
        'control = "control.sock"\n'
        f'[machine.web]\nchannel = "unix-listen:{tmp_path}/web"\nrules = ["deny *:25"]\n'
        f'[machine.db]\nchannel = "unix-listen:{tmp_path}/db"\n'
        f'[machine.off]\nchannel = "unix-listen:{tmp_path}/no/off"\n'
    )
    arguments = ("host", "--config", f"{tmp_path}/host.toml")
    with Daemon(arguments, tmp_path / "several.log") as daemon:
        daemon.wait_for_log("off: can't listen")
        yield daemon


def test_each_machine_is_told_of_by_its_name(several: Daemon, asking: Asking) -> None:
    daemon, *machines = asking.told("status")
    assert daemon["pid"] == several.pid
    assert [machine["name"] for machine in machines] == ["web", "db", "off"]
    assert not any(machine["channel_open"] for machine in machines)
    assert asking.told("connections", "db") == []
    assert_refused(asking.run("check", "192.0.2.1:25"), "which of 3 machines? web, db, off")
    assert asking.run("check", "web", "192.0.2.1:25").returncode == 1
    [judged] = asking.told("check", "db", "192.0.2.1:25")
    assert (judged["machine"], judged["rule"]) == ("db", "built-in: allowed by default")
    refused = asking.run("check", "off", "192.0.2.1:25")
    assert_refused(refused, "'off' isn't served now: can't listen on", "no/off", status=UNAVAILABLE)


def test_reload_says_what_is_wrong_in_the_file(
    several: Daemon, asking: Asking, tmp_path: Path
) -> None:
    file = tmp_path / "host.toml"
    [added] = asking.told("forward", "add", "web", "0:127.0.0.1:80")
    text = file.read_text().partition("[machine.db]")[0]
    file.write_text(text)
    assert asking.say("reload") == ""
    assert [machine["name"] for machine in asking.told("status")[1:]] == ["web"]
    assert asking.told("forward", "list") == [added], "the file says nothing about it"
    file.write_text(text + "[machine.new]\n")
    assert_refused(asking.run("reload"), "host.toml:", 'it needs a channel = "…"')
    assert several.process.poll() is None


def test_a_machine_without_a_name_is_called_as_its_channel(asking: Asking, tmp_path: Path) -> None:
    (tmp_path / "host.toml").write_text('control = "control.sock"\n')
    channel = f"unix-listen:{tmp_path}/c"
    arguments = ("host", "--config", f"{tmp_path}/host.toml", "--channel", channel)
    with Daemon(arguments, tmp_path / "host.log") as daemon:
        daemon.wait_for_log("waiting for the channel")
        assert asking.told("status")[1]["name"] == channel
        assert asking.run("check", channel, "127.0.0.1:80").returncode == 1
