"""A host daemon for several machines, by a file, and the machines' guest daemons."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from signal import SIGHUP

from tests.integration.support.daemon import Daemon
from tests.integration.support.pair import LISTENING, SESSION_UP
from tests.integration.support.waiting import DEADLINE
from tests.support.socks import connect

LOOPBACK = 'rules = ["allow 127.0.0.0/8"]\n'


class Rack:
    """A host daemon by a file, and a guest daemon for each machine that is asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.file = folder / "host.toml"
        self._stack = stack
        self._ports: dict[str, int] = {}

    def write(self, *machines: str, top: str = "", defaults: str = LOOPBACK) -> None:
        """A file with these machines; each is a name, and the lines of its table."""
        text = f"{top}\n[defaults]\n{defaults}"
        for machine in machines:
            name, _, lines = machine.partition("\n")
            channel = f'channel = "unix-listen:{self.folder / name}"'
            text += f"[machine.{name}]\n{channel}\n{lines}\n"
        self.file.write_text(text)

    def start_host(self, **environment: str) -> Daemon:
        arguments = ["host", "--config", str(self.file)]
        daemon = Daemon(arguments, self.folder / "host.log", environment=environment)
        self.host = self._stack.enter_context(daemon)
        self.host.wait_for_log("ready for")
        return self.host

    def start_guest(self, name: str, channel: str = "") -> Daemon:
        """A machine; on return its session stands."""
        channel = channel or f"unix:{self.folder / name}"
        arguments = ["guest", "--channel", channel, "--listen", "127.0.0.1:0"]
        guest = self._stack.enter_context(Daemon(arguments, self.folder / f"{name}.log"))
        self._ports[name] = int(guest.wait_for_log(LISTENING)[1])
        guest.wait_for_log(SESSION_UP)
        self.host.wait_for_log(rf" {name}: {SESSION_UP}")
        return guest

    def connect(self, name: str, target: tuple[str, int]) -> socket.socket:
        """A connection through that machine."""
        return connect(("127.0.0.1", self._ports[name]), target)

    def reload(self) -> None:
        """Have the host read its file anew; on return it has, or has not taken it."""
        since = len(self.host.lines)
        self.host.signal(SIGHUP)
        self.host.wait_for_log("configuration read anew|stays in force", since=since)


def talk(through: socket.socket, server: socket.socket, text: bytes = b"hello") -> None:
    """Bytes pass both ways."""
    through.sendall(text)
    assert server.recv(len(text), socket.MSG_WAITALL) == text
    server.sendall(text)
    assert through.recv(len(text), socket.MSG_WAITALL) == text


def opened(rack: Rack, name: str, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    through = rack.connect(name, listener.getsockname())
    server, _ = listener.accept()
    server.settimeout(DEADLINE)
    talk(through, server)
    return through, server
