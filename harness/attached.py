"""Take a machine that somebody else has started, drive it, and give it back as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .agent import Agent, AgentError
from .attached_domain import AttachedDomain
from .attached_qemu import AttachedQemu
from .attached_vm import AttachedVM, AttachError
from .borrowed import Borrowed, BorrowedByAgent, BorrowedBySSH
from .guest import CommandError
from .lab import Running
from .ssh import Access

PATIENCE = 60.0
"""Seconds for the first answer of the guest."""
NEEDED = ("guest-exec", "guest-exec-status", "guest-file-open", "guest-file-read")
"""What an agent may have been forbidden."""


@contextmanager
def attached(
    *,
    qmp: Path | None = None,
    domain: str = "",
    uri: str = "",
    ssh: Access | None = None,
    plug: bool = True,
    patience: float = PATIENCE,
) -> Iterator[Running]:
    """A machine that runs, and the Linux guest in it.

    It is a QEMU's, by its QMP socket, or a domain of the libvirt at `uri`, libvirt's default URI if
    that is empty.

    The guest is driven by its agent, or by `ssh`. A machine without a port for vsocks gets one for
    that time, unless it isn't to (`plug`). Afterwards machine and guest are as they were: devices,
    running or paused, and no file or program of ours. Raises UnavailableError if it can't be had,
    CommandError or OSError at the end if something in the guest could not be tidied up.
    """
    with ExitStack() as stack:
        vm = stack.enter_context(_machine(qmp, domain, uri, plug=plug))
        guest = stack.enter_context(_way_in(vm, ssh, patience))
        # What a test has stopped can't be tidied up.
        stack.callback(vm.make_run)
        yield Running(vm, guest)


def _machine(qmp: Path | None, domain: str, uri: str, *, plug: bool) -> AttachedVM:
    if (qmp is None) == (not domain):
        raise ValueError("one of qmp and domain is needed")
    return AttachedQemu(qmp, plug=plug) if qmp else AttachedDomain(domain, uri, plug=plug)


def _way_in(vm: AttachedVM, ssh: Access | None, patience: float) -> Borrowed:
    try:
        if ssh:
            return BorrowedBySSH(ssh, vm.first)
        return BorrowedByAgent(lambda: _willing(vm.agent(patience)), vm.first)
    except (AgentError, CommandError, OSError) as error:
        raise AttachError(f"the guest can't be driven: {error}") from None


def _willing(agent: Agent) -> Agent:
    """The agent, if it does what is needed."""
    can = {
        each["name"]
        for each in agent.execute("guest-info")["supported_commands"]
        if each["enabled"]
    }
    problem = ""
    if missing := [name for name in NEEDED if name not in can]:
        problem = f"the guest agent is forbidden {missing[0]}: allow it where the guest starts it"
    elif "guest-get-osinfo" in can:
        system = agent.execute("guest-get-osinfo").get("id", "")
        if system == "mswindows":
            problem = "Windows is in that machine; only Linux is driven by its agent here"
    if problem:
        agent.close()
        raise AttachError(problem)
    return agent
