"""Proof that a client went through the proxy, and not past it."""

from __future__ import annotations

from tests.integration.support.pair import Pair


def came_through(pair: Pair, port: int) -> bool:
    """True; DaemonError if the host, which must run with `-v`, has had no connection to `port`."""
    # Waited for: the client may be done before we have read the line.
    return bool(pair.host.wait_for_log(f":{port}: connected"))
