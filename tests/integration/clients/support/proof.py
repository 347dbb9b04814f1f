"""Proof that a client went through the proxy, and not past it."""

from __future__ import annotations

from tests.integration.support.pair import Pair


def came_through(pair: Pair, port: int) -> bool:
    """Whether the host has had a connection to a target's `port`; it must run with `-v`."""
    return any(f":{port}: connected" in line for line in pair.host.lines)
