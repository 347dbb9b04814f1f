"""Dante's socksify: it puts a program that knows no proxy behind SOCKS, UDP and BIND included."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.integration.clients.support.command import Finished, Programs
from tests.integration.support.pair import Pair

CLIENTS = Path(__file__).parents[4] / "docs" / "clients.md"


def documented_route() -> str:
    """What docs/clients.md says for /etc/dante.conf."""
    found = re.search(r"`(route \{[^`]*\})`", CLIENTS.read_text())
    assert found, "docs/clients.md has no route for Dante"
    return found[1]


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
        """The documented route; by itself, Dante would leave out local networks."""
        route = documented_route().replace("port = 1080", f"port = {self.pair.proxy[1]}")
        if self.version == 4:
            route = route.replace("socks_v5", "socks_v4")
        file = self.programs.directory / "socks.conf"
        file.write_text(f"logoutput: {self.programs.directory}/dante.log\n{route}\n")
        return {"SOCKS_CONF": str(file), "SOCKS_AUTOADD_LANROUTES": "no"}
