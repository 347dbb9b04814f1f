"""Running a daemon cut off from the network, or with names of our own, by Linux namespaces."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

_UNSHARE = ("unshare", "--user", "--map-root-user")
_TOOK = 10.0


@cache
def _refusal(*prefix: str) -> str:
    """Why the kernel (or a container) does not let us run something under `prefix`, or ""."""
    try:
        done = subprocess.run(
            [*prefix, "true"], capture_output=True, text=True, timeout=_TOOK, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def _usable(prefix: tuple[str, ...], what: str) -> tuple[str, ...]:
    if refusal := _refusal(*prefix):
        pytest.skip(f"{what} can't be made here: {refusal}")
    return prefix


UNREACHABLE_HOST = "198.51.100.1"
"""In `offline()` the kernel says of this one (it is for documentation) "no route to host"."""


def offline() -> tuple[str, ...]:
    """A command prefix: a network with loopback alone, so that no packet can leave it.

    Skips the test where such a thing can't be made.
    """
    script = f'ip link set lo up && ip route add unreachable {UNREACHABLE_HOST} && exec "$@"'
    return _usable((*_UNSHARE, "--net", "sh", "-c", script, "offline"), "a network namespace")


def with_names(directory: Path, names: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A command prefix: the resolver knows `names`, each with its addresses.

    Skips the test where such a thing can't be made.
    """
    hosts = directory / "hosts"
    lines = [f"{address} {name}\n" for name, addresses in names.items() for address in addresses]
    hosts.write_text("127.0.0.1 localhost\n::1 localhost\n" + "".join(lines))
    script = 'mount --bind "$0" /etc/hosts && exec "$@"'
    prefix = (*_UNSHARE, "--mount", "sh", "-c", script, str(hosts))
    return _usable(prefix, "a mount namespace")
