"""The built program as a service, under Wine's service manager."""

from __future__ import annotations

import re
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from harness.exe.wine import Wine, WineError
from tests.integration.conftest import StartTarget
from tests.integration.support.behaviours import source
from tests.integration.support.daemon import Daemon
from tests.integration.support.layouts import free_port
from tests.integration.support.pair import ALLOW_LOOPBACK
from tests.integration.support.transfer import Received, receive_pattern, request
from tests.support import socks

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500, func_only=True)]

SIZE = 300_007
LOST_TOUCH = "(1359)"
"""ERROR_INTERNAL_ERROR."""
KEY = r"HKLM\System\CurrentControlSet\Services\vsocks-guest"


class Service:
    """`vsocks-guest service …` in a prefix."""

    def __init__(self, wine: Wine, program: Path) -> None:
        self._wine = wine
        self._program = program

    def does(self, *words: str) -> str:
        """What it says when it succeeds."""
        return self._wine.run(self._program, "service", *words, timeout=170)

    def start(self) -> str:
        """What it says of its start. Wine's manager now and then loses touch with a new process."""
        for _ in range(3):
            try:
                return self.does("start")
            except WineError as error:
                if LOST_TOUCH not in str(error):
                    raise
        return self.does("start")

    def refuses(self, *words: str) -> str:
        """What it says when it doesn't."""
        with pytest.raises(WineError) as refused:
            self.does(*words)
        return str(refused.value)


@pytest.fixture(params=["file_form", "folder_form"])
def service(own_wine: Wine, pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Service:
    """Of both forms of the program."""
    program: Path = request.getfixturevalue(request.param)
    return Service(own_wine, program)


def test_the_whole_life(
    own_wine: Wine, service: Service, tmp_path: Path, serve: StartTarget
) -> None:
    channel, listen = free_port(), free_port()
    options = ("--channel", f"tcp:127.0.0.1:{channel}", "--listen", f"127.0.0.1:{listen}")
    drive = own_wine.prefix / "drive_c"
    copy, logs = drive / "Program Files" / "vsocks", drive / "ProgramData" / "vsocks"
    target = serve(source)

    assert "it isn't installed" in service.refuses("status")
    assert "'nonsense' is not ADDR:PORT" in service.refuses("install", "--listen", "nonsense")
    assert "will start with Windows" in service.does("install", *options)
    assert "installed already" in service.refuses("install")
    assert "vsocks-guest is stopped" in service.refuses("status")
    settings = own_wine.run("reg", "query", KEY)
    for setting in ("Start    REG_DWORD    0x2", "LocalSystem", "service run --config C:"):
        assert setting in settings
    # Everybody can read that, so the options stand elsewhere.
    assert not [option for option in options if option in settings]
    assert f"tcp:127.0.0.1:{channel}" in (logs / "guest.toml").read_text()
    assert (logs / "guest.toml").stat().st_mode & 0o007 == 0
    assert (copy / "vsocks-guest.exe").exists()

    arguments = ("host", "--channel", f"tcp-listen:127.0.0.1:{channel}", *ALLOW_LOOPBACK)
    with Daemon(arguments, tmp_path / "host.log") as host:
        assert "is running (process " in service.start()
        host.wait_for_log("session up")
        with socks.connect(("127.0.0.1", listen), target.address) as sock:
            request(sock, 1, SIZE)
            assert receive_pattern(sock, 1) == Received(1, SIZE, "eof")
        told = service.does("status")
        for line in ("is running", f"channel tcp:127.0.0.1:{channel}: open", "with the host: up"):
            assert line in told
        # What stands in the file is taken up.
        mark = len(host.lines)
        assert "is running" in service.does("reconfigure", *options, "--max-streams", "7")
        host.wait_for_log("session up", since=mark)
        assert "connections: 0 of 7" in service.does("status")
        # A host that reads nothing any more must not hold up the end.
        host.signal(SIGSTOP)
        assert "vsocks-guest is stopped" in service.does("stop")
        host.signal(SIGCONT)
    log = (logs / "guest.log").read_text()
    for line in (f"listening on 127.0.0.1:{listen}", "session up", "session lost: the daemon ends"):
        assert line in log
    assert "is uninstalled" in service.does("uninstall")
    assert not copy.exists()
    assert "it isn't installed" in service.refuses("uninstall")


def test_the_users_of_a_service_are_asked_for(own_wine: Wine, folder_form: Path) -> None:
    """Their passwords are where only the system and administrators read."""
    service = Service(own_wine, folder_form)
    listen = free_port()
    options = ("--listen", f"127.0.0.1:{listen}", "--channel", f"tcp:127.0.0.1:{free_port()}")
    service.does("install", "--user", "alice:secret", *options)
    users = own_wine.prefix / "drive_c" / "ProgramData" / "vsocks" / "users.txt"
    assert users.read_text() == "alice:secret\n"
    assert users.stat().st_mode & 0o007 == 0
    assert "secret" not in own_wine.run("reg", "query", KEY)
    service.start()
    refused = pytest.raises(AssertionError, match="the proxy chose 05ff")
    with socks.dial(("127.0.0.1", listen)) as sock, refused:
        socks.greet(sock)
    with socks.dial(("127.0.0.1", listen)) as sock:
        assert socks.greet_as(sock, ("alice", "secret"))
    service.does("stop")


def test_what_is_wrong_in_the_settings_is_in_the_log(own_wine: Wine, folder_form: Path) -> None:
    service = Service(own_wine, folder_form)
    service.does("install")
    folder = own_wine.prefix / "drive_c" / "ProgramData" / "vsocks"
    (folder / "guest.toml").write_text("lisen = []\n")
    # The second is Wine's, when the process has ended before its manager heard of it.
    assert re.search(r"it did not start \(error |\(1053\)", service.refuses("start"))
    assert "guest.toml:1: lisen: there is no such key" in (folder / "guest.log").read_text()
