"""One host daemon for several machines: each by itself, and changed while it runs."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGUSR1, SIGUSR2, Signals

import pytest

from tests.integration.support.pair import SESSION_UP
from tests.integration.support.rack import LOOPBACK, Rack, opened, talk
from tests.integration.support.waiting import DEADLINE, eventually
from tests.support.socks_messages import RefusedError
from vsocks.channel.holder_keeper import VARIABLE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

CLOSED = "channel closed"


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    with ExitStack() as stack:
        yield Rack(tmp_path, stack)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        yield server


def test_each_machine_has_its_rules(rack: Rack, listener: socket.socket) -> None:
    host, port = listener.getsockname()
    rack.write("a", f'b\nrules = ["deny 127.0.0.1:{port}"]')
    rack.start_host()
    rack.start_guest("a")
    rack.start_guest("b")
    through, server = opened(rack, "a", listener)
    with through, server, pytest.raises(RefusedError):
        rack.connect("b", (host, port))
    rack.host.wait_for_log(rf" b: .* refused: \(2\) {host}:{port}: .*deny 127.0.0.1:{port}")


def test_a_machine_that_can_not_be_served_stops_no_other(
    rack: Rack, listener: socket.socket
) -> None:
    rack.write("a", "b", "nowhere/c")
    rack.file.write_text(
        rack.file.read_text().replace("machine.nowhere/c", "machine.c")
        + '[machine.d]\nchannel = "unix:/nonexistent/d"\n'
    )
    rack.start_host()
    rack.host.wait_for_log(" c: can't listen on ")
    rack.host.wait_for_log(" d: the channel isn't there yet: No such file or directory")
    rack.start_guest("b")
    through, server = opened(rack, "b", listener)
    with through, server:
        # What it waited for is there now.
        (rack.folder / "nowhere").mkdir()
        rack.start_guest("c", f"unix:{rack.folder / 'nowhere' / 'c'}")
        talk(through, server)


def test_a_reload_cuts_nothing_that_is_allowed(rack: Rack, listener: socket.socket) -> None:
    rack.write("a", "b")
    rack.start_host()
    rack.start_guest("a")
    guest_b = rack.start_guest("b")
    through, server = opened(rack, "a", listener)
    with through, server:
        # b goes, c comes, and a may not connect anew.
        port = listener.getsockname()[1]
        rack.write(f'a\nconnect-rate = 7\nrules = ["deny 127.0.0.1:{port}"]', "c")
        rack.reload()
        rack.host.wait_for_log(" b: no longer served")
        guest_b.wait_for_log("session lost: the host says goodbye|session lost")
        rack.start_guest("c")
        talk(through, server)
        with pytest.raises(RefusedError):
            rack.connect("a", listener.getsockname())
        more, server_of_c = opened(rack, "c", listener)
        with more, server_of_c:
            talk(more, server_of_c)
        # The old rules again.
        rack.write("a", "c")
        rack.reload()
        again, server_again = opened(rack, "a", listener)
        with again, server_again:
            talk(through, server)


def test_a_reload_ends_what_is_forbidden_if_told_so(rack: Rack) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as kept,
        socket.create_server(("127.0.0.1", 0)) as cut,
    ):
        rack.write("a")
        rack.start_host()
        rack.start_guest("a")
        through, server = opened(rack, "a", kept)
        doomed, its_server = opened(rack, "a", cut)
        with through, server, doomed, its_server:
            port = cut.getsockname()[1]
            rack.write(f'a\nrules = ["deny *:{port}"]', top="reload-ends-forbidden = true")
            rack.reload()
            rack.host.wait_for_log(" a: 1 connections have been ended")
            doomed.settimeout(DEADLINE)
            with pytest.raises(ConnectionError):
                doomed.recv(1)
            talk(through, server)


def test_a_file_that_is_wrong_changes_nothing(rack: Rack, listener: socket.socket) -> None:
    rack.write("a")
    rack.start_host()
    rack.start_guest("a")
    through, server = opened(rack, "a", listener)
    with through, server:
        rack.write("a\nrules = ['deny']", "b")
        rack.reload()
        rack.host.wait_for_log(rf"the old configuration stays in force: {rack.file}:\d+: machine.a")
        talk(through, server)
        more, its_server = opened(rack, "a", listener)
        more.close()
        its_server.close()
    assert not (rack.folder / "b").exists()


def test_forwards_come_and_go(rack: Rack) -> None:
    rack.write('a\nforward = ["0:127.0.0.1:1"]')
    rack.start_host()
    first = rack.host.wait_for_log(r" a: forwarding 127.0.0.1:(\d+) to 127.0.0.1:1 in the guest")
    rack.write('a\nforward = ["0:127.0.0.1:2"]')
    rack.reload()
    rack.host.wait_for_log(r" a: forwarding 127.0.0.1:(\d+) to 127.0.0.1:2 in the guest")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(first[1])), DEADLINE)


@pytest.mark.parametrize("number", [SIGUSR1, SIGUSR2])
def test_signals_of_others_end_nobody(rack: Rack, listener: socket.socket, number: Signals) -> None:
    rack.write("a")
    rack.start_host()
    guest = rack.start_guest("a")
    for daemon in (rack.host, guest):
        daemon.signal(number)
        daemon.wait_for_log(number.name)
    through, server = opened(rack, "a", listener)
    through.close()
    server.close()


def test_machines_come_and_go_by_a_pattern(rack: Rack, listener: socket.socket) -> None:
    vms = rack.folder / "vms"
    rack.file.write_text(
        f'max-machines = 2\n[defaults]\n{LOOPBACK}[machine.lab]\nchannel = "unix:{vms}/*/s"\n'
    )
    rack.start_host()
    for name in ("one", "two", "bad name"):
        (vms / name).mkdir(parents=True)
    one = rack.start_guest("one", f"unix-listen:{vms / 'one' / 's'}")
    rack.start_guest("two", f"unix-listen:{vms / 'two' / 's'}")
    (vms / "bad name" / "s").touch()
    rack.host.wait_for_log("no machine: .*bad name/s': a machine's name has 1 to 64 letters")
    through, server = opened(rack, "two", listener)
    with through, server:
        (vms / "zzz").mkdir()
        (vms / "zzz" / "s").touch()
        rack.host.wait_for_log("1 machines are left out, zzz for one: max-machines is 2")
        one.stop()
        rack.host.wait_for_log(" one: no longer served")
        (vms / "zzz" / "s").unlink()
        rack.start_guest("three", f"unix-listen:{three(vms)}")
        talk(through, server)
        rack.reload()
        talk(through, server)


def three(vms: Path) -> Path:
    """A place for one more."""
    (vms / "three").mkdir()
    return vms / "three" / "s"


def test_the_channel_of_a_machine_can_change(rack: Rack, listener: socket.socket) -> None:
    rack.write("a", "b")
    rack.start_host()
    rack.start_guest("b")
    through, server = opened(rack, "b", listener)
    with through, server:
        text = rack.file.read_text()
        rack.file.write_text(text.replace(f"{rack.folder / 'a'}", f"{rack.folder / 'moved'}"))
        rack.reload()
        rack.start_guest("a", f"unix:{rack.folder / 'moved'}")
        rack.host.wait_for_log(" a: no longer served: its channel changes")
        talk(through, server)


def audited(path: Path, **wanted: object) -> list[dict[str, object]]:
    """The lines of an audit that have these values."""
    all_lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in all_lines if wanted.items() <= line.items()]


def assert_ends(path: Path, count: int) -> None:
    """So many connections of machine a have ended."""
    assert len(audited(path, machine="a", event="end")) == count


def test_audits_begin_move_and_end_while_connections_stand(
    rack: Rack, listener: socket.socket
) -> None:
    first, second = rack.folder / "first", rack.folder / "second"
    rack.write(f'a\naudit = "{first}"', f'b\naudit = "{first}"', "c")
    rack.start_host()
    for name in ("a", "b", "c"):
        rack.start_guest(name)
    through, server = opened(rack, "a", listener)
    with through, server:
        for each in opened(rack, "b", listener):
            each.close()
        assert len(audited(first, machine="a", event="begin")) == 1
        assert len(audited(first, machine="b", event="begin")) == 1
        # a goes on in another file, b in none, and c begins; nowhere can nobody write.
        rack.write(f'a\naudit = "{second}"', "b", f'c\naudit = "{second}"')
        rack.reload()
        for name in ("a", "b", "c"):
            for each in opened(rack, name, listener):
                each.close()
        assert len(audited(second, machine="a", event="begin")) == 1
        assert len(audited(second, machine="c", event="begin")) == 1
        assert len(audited(first, machine="b", event="begin")) == 1
        rack.write(f'a\naudit = "{rack.folder}/nowhere/x"', "b", f'c\naudit = "{second}"')
        rack.reload()
        rack.host.wait_for_log(" a: the audit stays as it was: the audit .*x can't be written: No")
        for each in opened(rack, "a", listener):
            each.close()
        eventually(lambda: assert_ends(second, 2))
        old = second.rename(rack.folder / "old")
        rack.reload()
        assert len(audited(old, machine="a", event="begin")) == 2
        talk(through, server)
    rack.host.stop()
    assert len(audited(old, machine="a", event="end")) == 2
    assert len(audited(second, machine="a", event="end")) == 1
    assert not audited(old, machine="b") + audited(second, machine="b")


def test_a_killed_daemon_leaves_the_channels_of_all_to_the_next(
    rack: Rack, listener: socket.socket
) -> None:
    patience = {VARIABLE: f"60.{os.getpid()}"}
    rack.write("a", "b\nno-hold = true")
    rack.start_host(**patience)
    guests = {name: rack.start_guest(name) for name in ("a", "b")}
    since = {name: len(guest.lines) for name, guest in guests.items()}
    rack.host.kill()
    rack.start_host(**patience)
    for name, guest in guests.items():
        guest.wait_for_log(SESSION_UP, since=since[name])
        through, server = opened(rack, name, listener)
        through.close()
        server.close()
    closed = {name for name, guest in guests.items() if any(CLOSED in line for line in guest.lines)}
    assert closed == {"b"}


def test_an_address_that_was_taken_is_tried_again_at_a_reload(rack: Rack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        rack.write("a")
        rack.start_host()
        forward = f'a\nforward = ["{port}:127.0.0.1:1"]'
        rack.write(forward)
        rack.reload()
        rack.host.wait_for_log(f" a: .*127.0.0.1:{port}.*in use")
    rack.reload()
    rack.host.wait_for_log(f" a: forwarding 127.0.0.1:{port} to ")
