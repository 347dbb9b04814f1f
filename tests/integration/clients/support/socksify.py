"""Dante's socksify: it puts a program that knows no proxy behind SOCKS, UDP and BIND included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.integration.clients.support.command import Finished, Programs
from tests.integration.support.pair import Pair


@dataclass(frozen=True)
class Socksify:
    """Runs programs behind the guest of `pair`, by that version of SOCKS."""

    programs: Programs
    pair: Pair
    version: Literal[4, 5] = 5

    def check(self, *command: str | Path, stdin: bytes = b"") -> Finished:
        """Run it; AssertionError if its status isn't 0."""
        return self.programs.check(
            "socksify", *command, environment=self._environment(), stdin=stdin
        )

    def _environment(self) -> Mapping[str, str]:
        """Everything goes through the proxy; by itself, Dante would leave out local networks."""
        address, port = self.pair.proxy
        protocol = "tcp udp" if self.version == 5 else "tcp"
        file = self.programs.directory / "socks.conf"
        file.write_text(
            f"""
            logoutput: {self.programs.directory}/dante.log
            route {{
                from: 0.0.0.0/0 to: 0.0.0.0/0 via: {address} port = {port}
                proxyprotocol: socks_v{self.version}
                protocol: {protocol}
                method: none
            }}
            """
        )
        return {"SOCKS_CONF": str(file), "SOCKS_AUTOADD_LANROUTES": "no"}
