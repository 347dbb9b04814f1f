"""Figures taken from a guest."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .guest import Guest
from .places import HERE

CLIENT = "echo_client"
"""Runs in the guest, by itself."""


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """How long messages took to come back, in milliseconds."""

    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms"


def echo_round_trips(guest: Guest, socks_port: int, echo_port: int, times: int) -> RoundTrips:
    """Send 64 bytes, `times` times, from the guest through SOCKS to an echo on our loopback."""
    folder = f"{guest.scratch}/measure"
    guest.upload({f"{CLIENT}.py": (HERE / f"{CLIENT}.py").read_bytes()}, folder)
    arguments = (str(socks_port), "127.0.0.1", str(echo_port), str(times))
    command = guest.module_command(folder, CLIENT, *arguments)
    return RoundTrips(**json.loads(guest.succeed(command)))
