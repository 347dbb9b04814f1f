"""A libvirt domain's monitor and guest agent: libvirt has both sockets, and passes commands on.

https://libvirt.org/html/libvirt-libvirt-qemu.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from vsocks.errors import UnavailableError, describe

from .agent import Agent, AgentError
from .guest import POLL
from .qmp import Data, Monitor, QMPError

ANSWER = 60
"""Deadline, in seconds, for what takes the agent milliseconds."""


class LibvirtMonitor(Monitor):
    """Commands alone. The first one marks the domain as tainted, which is of libvirt's log only."""

    def __init__(self, domain: Any, log: Path) -> None:
        super().__init__(log)
        self._domain = domain

    def execute(
        self, command: str, arguments: dict[str, object] | None = None, *, timeout: float = 30
    ) -> Any:
        """Run a command; the deadline is libvirt's own."""
        import libvirt
        import libvirt_qemu

        self._note("->", command, arguments)
        message = json.dumps({"execute": command, "arguments": arguments or {}})
        try:
            answer = json.loads(libvirt_qemu.qemuMonitorCommand(self._domain, message, 0))
        except libvirt.libvirtError as error:
            raise QMPError(f"{command} {arguments}: libvirt: {describe(error)}") from None
        self._note("<-", "answer", answer)
        if "error" in answer:
            raise QMPError(f"{command} {arguments}: {answer['error']['desc']}")
        return answer["return"]

    def wait_event(
        self,
        name: str,
        where: Callable[[Data], bool] = lambda _data: True,
        *,
        timeout: float,
        after: int = 0,
    ) -> NoReturn:
        """There are none."""
        raise QMPError(f"{name}: of a domain of libvirt's no events are had here")

    def close(self) -> None:
        """The connection to libvirt isn't ours."""


class LibvirtAgent(Agent):
    """The agent of a domain, if it answers within `patience` seconds; OSError if it doesn't."""

    # Seen with libvirt 9.0: messages of 43 KB arrive, the whole of one of 350 KB never does.
    piece = 32 * 1024

    def __init__(self, domain: Any, patience: float) -> None:
        super().__init__()
        self._domain = domain
        self._turn = threading.Lock()
        self._is_open = True
        deadline = time.monotonic() + patience
        while problem := self._problem():
            if time.monotonic() > deadline:
                raise ConnectionError(problem)
            time.sleep(POLL)

    def close(self) -> None:
        """Ask it nothing more; the port is libvirt's."""
        self._is_open = False

    def _problem(self) -> str:
        """Why it doesn't answer, if it doesn't."""
        try:
            self.ping()
        except OSError as error:
            return str(error)
        return ""

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """Run a command of the agent's own; AgentError if it refuses."""
        import libvirt
        import libvirt_qemu

        silent = {
            libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
            libvirt.VIR_ERR_AGENT_UNSYNCED,
            libvirt.VIR_ERR_OPERATION_TIMEOUT,
            libvirt.VIR_ERR_OPERATION_INVALID,
            libvirt.VIR_ERR_RPC,
        }
        message = json.dumps({"execute": command, "arguments": arguments or {}})
        with self._turn:
            if not self._is_open:
                raise ConnectionError("the connection to the guest agent has been closed")
            try:
                answer = libvirt_qemu.qemuAgentCommand(self._domain, message, ANSWER, 0)
            except libvirt.libvirtError as error:
                if error.get_error_code() in silent:
                    raise ConnectionError(f"libvirt: {describe(error)}") from None
                raise AgentError(f"{command}: {describe(error)}") from None
        return json.loads(answer)["return"]


@contextmanager
def libvirt_errors() -> Iterator[None]:
    """An error of libvirt's in the block is an UnavailableError outside."""
    import libvirt

    try:
        yield
    except libvirt.libvirtError as error:
        raise UnavailableError(f"libvirt: {describe(error)}") from None
