"""The two daemons on one channel: started, restarted and stopped together or one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Self

from tests.integration.support.daemon import Daemon
from tests.integration.support.layouts import Ends
from tests.support.socks_messages import Address

ALLOW_LOOPBACK = ("--allow", "127.0.0.0/8", "--allow", "[::1]")
"""The tests' targets are on loopback, which the default policy denies."""

NO_RATE = ("--connect-rate", "100000")
"""For a load of more connections a second than a guest has in the long run."""

LISTENING = r"listening on 127\.0\.0\.1:(\d+)"
SESSION_UP = r"session up"
SESSION_LOST = r"session lost: \S"


@dataclass(frozen=True)
class GuestProgram:
    """A guest daemon other than `python -m vsocks guest`."""

    command: Sequence[str]
    environment: Mapping[str, str]
    #: What asks it for a clean end.
    ends_on: Signals


class Pair:
    """A guest and a host daemon over `ends`; neither runs before it is started.

    Leaving the context stops both and holds them to a clean end. A guest started again listens
    on the port of the first. Logs are `directory/guest.log` and `directory/host.log`.
    """

    def __init__(
        self,
        ends: Ends,
        directory: Path,
        *,
        guest_options: Sequence[str] = (),
        host_options: Sequence[str] = ALLOW_LOOPBACK,
        host_prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        guest_program: GuestProgram | None = None,
        port: int = 0,
    ) -> None:
        """``port`` is where the guest listens; 0 is any that is free."""
        self.guest_program = guest_program
        self.ends = ends
        self.directory = directory
        self.guest_options = guest_options
        self.host_options = host_options
        self.host_prefix = host_prefix
        self.environment = environment
        self._port = port
        self._guest: Daemon | None = None
        self._host: Daemon | None = None

    @property
    def guest(self) -> Daemon:
        """The guest daemon that was started last."""
        assert self._guest is not None, "the guest was not started"
        return self._guest

    @property
    def host(self) -> Daemon:
        """The host daemon that was started last."""
        assert self._host is not None, "the host was not started"
        return self._host

    @property
    def proxy(self) -> Address:
        """Where the guest listens for SOCKS clients."""
        return ("127.0.0.1", self._port)

    @property
    def proxy_text(self) -> str:
        """The same as ADDR:PORT."""
        return f"127.0.0.1:{self._port}"

    def start_guest(self, *, wait: bool = True) -> Daemon:
        """Start the guest daemon in place of any before; `wait` until it takes clients."""
        if self._guest:
            self._guest.close()
        listen = ("--listen", f"127.0.0.1:{self._port}")
        arguments = ("--channel", self.ends.guest, *listen, *self.guest_options)
        log = self.directory / "guest.log"
        if program := self.guest_program:
            self._guest = Daemon(
                arguments,
                log,
                program=program.command,
                environment=program.environment,
                ends_on=program.ends_on,
            )
        else:
            self._guest = Daemon(("guest", *arguments), log, environment=self.environment)
        if wait:
            self.wait_listening()
        return self._guest

    def start_host(self) -> Daemon:
        """Start the host daemon in place of any before."""
        if self._host:
            self._host.close()
        arguments = ("host", "--channel", self.ends.host, *self.host_options)
        log = self.directory / "host.log"
        self._host = Daemon(arguments, log, prefix=self.host_prefix, environment=self.environment)
        return self._host

    def start(self) -> Self:
        """Start what does not run, and wait for the session."""
        if self._host is None:
            self.start_host()
        if self._guest is None:
            self.start_guest()
        return self.wait_session()

    def wait_listening(self) -> None:
        """Wait until the guest takes clients."""
        self._port = int(self.guest.wait_for_log(LISTENING)[1])

    def wait_session(self, *, guest_since: int = 0, host_since: int = 0) -> Self:
        """Wait until both sides have logged a session, after those numbers of log lines."""
        self.guest.wait_for_log(SESSION_UP, since=guest_since)
        self.host.wait_for_log(SESSION_UP, since=host_since)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stack:
            for daemon in (self._guest, self._host):
                if daemon is not None:
                    stack.push(daemon)
