"""The Windows program over the channels that Wine has: serial ports, named pipes, TCP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from signal import SIGINT

import pytest

from harness.exe.python import windows_python
from harness.exe.wine import Wine
from harness.process import HostProcess
from tests.integration.conftest import StartTarget
from tests.integration.support.behaviours import sink, source
from tests.integration.support.layouts import Ends, free_port
from tests.integration.support.pair import GuestProgram, Pair
from tests.integration.support.ptys import PtyCable
from tests.integration.support.transfer import Received, receive_pattern, request, send_pattern
from tests.support import socks

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500, func_only=True)]

SIZE = 1_000_003
ROOT = Path(__file__).parents[3]
PORTS = r"HKLM\Software\Wine\Ports"
pipes = count(1)


def start(ends: Ends, directory: Path, wine: Wine, program: Path) -> Pair:
    command = wine.command(program)
    return Pair(
        ends,
        directory,
        # Wine tells a program of SIGINT as Ctrl-C; SIGTERM just ends it.
        guest_program=GuestProgram(command, wine.environment(), ends_on=SIGINT),
    )


@contextmanager
def over_a_serial_line(wine: Wine, program: Path, directory: Path) -> Iterator[Pair]:
    """In session, by the path of a serial line."""
    with PtyCable() as cable:
        device = wine.windows_path(Path(cable.devices[0]))
        ends = Ends(f"path:{device}", f"serial:{cable.devices[1]}")
        with start(ends, directory, wine, program) as pair:
            yield pair.start()


def check_transfers(pair: Pair, serve: StartTarget) -> None:
    sending, receiving = serve(source), serve(sink)
    with socks.connect(pair.proxy, sending.address) as sock:
        request(sock, 1, SIZE)
        assert receive_pattern(sock, 1) == Received(1, SIZE, "eof")
    with socks.connect(pair.proxy, receiving.address) as sock:
        request(sock, 2, SIZE)
        send_pattern(sock, 2, SIZE)
    assert receiving.outcome() == Received(2, SIZE, "eof")


@contextmanager
def com_port(wine: Wine, name: str, device: str) -> Iterator[None]:
    """Wine takes the names of serial ports from its registry, when it starts."""
    wine.run("reg", "add", PORTS, "/v", name, "/d", device, "/f")
    wine.stop()
    with wine.services():
        yield


@contextmanager
def pipe_bridge(wine: Wine, directory: Path, port: int) -> Iterator[str]:
    """A named pipe that leads to a TCP port of ours; yields its name."""
    name = f"vsocks-{next(pipes)}"
    arguments = ("-m", "tests.windows.pipe_bridge", name, "127.0.0.1", str(port))
    command = [
        *("env", *(f"{key}={value}" for key, value in wine.environment().items() if "WINE" in key)),
        f"PYTHONPATH={wine.windows_path(ROOT)}",
        *wine.command(windows_python() / "python.exe", *arguments),
    ]
    with HostProcess("pipe-bridge", command, directory) as bridge:
        bridge.log.wait("serving", timeout=170)
        yield name


def test_com_port(own_wine: Wine, folder_form: Path, tmp_path: Path, serve: StartTarget) -> None:
    with PtyCable() as cable, com_port(own_wine, "COM7", cable.devices[0]):
        ends = Ends("com:COM7?baudrate=115200", f"serial:{cable.devices[1]}")
        with start(ends, tmp_path, own_wine, folder_form) as pair:
            pair.start()
            check_transfers(pair, serve)


def test_with_no_channel_named_it_takes_com1(
    own_wine: Wine, folder_form: Path, tmp_path: Path, serve: StartTarget
) -> None:
    """There is no virtio-serial port here, so what is left is the serial one."""
    with PtyCable() as cable, com_port(own_wine, "COM1", cable.devices[0]):
        ends = Ends("auto", f"serial:{cable.devices[1]}")
        with start(ends, tmp_path, own_wine, folder_form) as pair:
            pair.start()
            assert pair.guest.wait_for_log("found com:COM1")
            check_transfers(pair, serve)


def test_path_of_a_serial_line(
    shared_wine: Wine, folder_form: Path, tmp_path: Path, serve: StartTarget
) -> None:
    with over_a_serial_line(shared_wine, folder_form, tmp_path) as pair:
        check_transfers(pair, serve)


def test_named_pipe(
    shared_wine: Wine, folder_form: Path, tmp_path: Path, serve: StartTarget
) -> None:
    port = free_port()
    with pipe_bridge(shared_wine, tmp_path, port) as name:
        ends = Ends(f"pipe:{name}", f"tcp-listen:127.0.0.1:{port}")
        with start(ends, tmp_path, shared_wine, folder_form) as pair:
            pair.start_host().wait_for_log("waiting for the channel")
            pair.start()
            check_transfers(pair, serve)
            # The pipe ends with its other side; what comes then is another pipe.
            mark = len(pair.guest.lines)
            pair.host.kill()
            pair.guest.wait_for_log("session lost", since=mark)
            pair.start_host()
            pair.wait_session(guest_since=mark)
            check_transfers(pair, serve)


def test_the_other_side_is_killed_and_comes_back(
    shared_wine: Wine, folder_form: Path, tmp_path: Path, serve: StartTarget
) -> None:
    """Over the serial line nothing but silence tells of it."""
    with over_a_serial_line(shared_wine, folder_form, tmp_path) as pair:
        mark = len(pair.guest.lines)
        pair.host.kill()
        pair.start_host()
        pair.wait_session(guest_since=mark)
        check_transfers(pair, serve)
        pair.guest.kill()
        mark = len(pair.host.lines)
        pair.start_guest()
        pair.wait_session(host_since=mark)
        check_transfers(pair, serve)


def test_the_port_is_in_use(
    shared_wine: Wine, folder_form: Path, tmp_path: Path, serve: StartTarget
) -> None:
    taken = serve(sink).address[1]
    told = subprocess.run(
        shared_wine.command(folder_form, "--listen", f"127.0.0.1:{taken}"),
        env=shared_wine.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert told.returncode == 69
    assert told.stderr.endswith(f"can't listen on 127.0.0.1:{taken}: the address is in use\n")


def test_the_one_file_form_ends_with_the_process_that_unpacked_it(
    shared_wine: Wine, file_form: Path, tmp_path: Path, serve: StartTarget
) -> None:
    ends = Ends(guest=f"tcp:127.0.0.1:{(port := free_port())}", host=f"tcp-listen:127.0.0.1:{port}")
    with start(ends, tmp_path, shared_wine, file_form) as pair:
        pair.start()
        check_transfers(pair, serve)
        mark = len(pair.host.lines)
        pair.guest.kill()
        pair.host.wait_for_log("session lost: the peer said goodbye", since=mark)
