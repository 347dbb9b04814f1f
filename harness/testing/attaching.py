"""The plugin's options for a machine that runs already."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..lab import Lab
    from ..ssh import Access

FORM = "USER@HOST[:PORT]"
ONE_AT_A_TIME = "{} gives one machine, which one test at a time can have: leave out -n"
GOES_ON = "{} gives a machine that goes on anyway: leave out --keep-vm"
NOTHING_TO_ENTER = "--vm-ssh says how to get into a machine that --vm-qmp or --vm-domain names"


def add_options(group: pytest.OptionGroup) -> None:
    """Which machine, and the way into it."""
    group.addoption(
        "--vm-qmp",
        metavar="SOCKET",
        help="run the tests in the machine of a QEMU that runs, by its QMP socket",
    )
    group.addoption(
        "--vm-domain",
        metavar="NAME",
        help="run them in a machine that libvirt runs; its URI: LIBVIRT_DEFAULT_URI",
    )
    group.addoption(
        "--vm-ssh",
        metavar=FORM,
        help="get into that machine by SSH, not by its guest agent; known_hosts has to know it",
    )
    group.addoption(
        "--vm-ssh-key",
        metavar="FILE",
        default="~/.ssh/id_ed25519",
        help="with this private key (default: %(default)s)",
    )


def check(config: pytest.Config) -> None:
    """Raises UsageError if the options don't go together."""
    given = [option for option in ("--vm-qmp", "--vm-domain") if config.getoption(option)]
    if len(given) > 1:
        raise pytest.UsageError("--vm-qmp and --vm-domain name two machines: give one of them")
    if config.getoption("vm_ssh"):
        if not given:
            raise pytest.UsageError(NOTHING_TO_ENTER)
        _access(config)
    if given and config.getoption("numprocesses", None):
        raise pytest.UsageError(ONE_AT_A_TIME.format(given[0]))
    if given and config.getoption("keep_vm"):
        raise pytest.UsageError(GOES_ON.format(given[0]))


def attached_lab(config: pytest.Config) -> Lab | None:
    """The machine that the options name, if they name one."""
    qmp, domain = config.getoption("vm_qmp"), config.getoption("vm_domain")
    if not (qmp or domain):
        return None
    from ..attached import attached
    from ..attached_lab import AttachedLab

    attach = partial(attached, qmp=Path(qmp) if qmp else None, domain=domain, ssh=_access(config))
    return AttachedLab(qmp or domain, attach)


def _access(config: pytest.Config) -> Access | None:
    """The way in by SSH, if one is given."""
    text = config.getoption("vm_ssh")
    if not text:
        return None
    from ..ssh import SSH_PORT, Access

    account, _, place = text.partition("@")
    host, _, port = place.partition(":")
    if not (account and host and (port or "22").isdecimal()):
        raise pytest.UsageError(f"--vm-ssh {text}: it has the form {FORM}")
    key = Path(config.getoption("vm_ssh_key")).expanduser()
    if not key.is_file():
        raise pytest.UsageError(f"there is no private key {key}: --vm-ssh-key names another")
    return Access(int(port or SSH_PORT), account, key, "", host)
