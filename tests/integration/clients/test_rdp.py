"""A remote desktop: xfreerdp sees a screen in the guest by a port of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.clients.support.command import Programs, needs
from tests.integration.clients.support.desktop import (
    HEIGHT,
    SERVER,
    WIDTH,
    rdp_server,
    running,
    screen,
)
from tests.integration.conftest import StartPair
from tests.integration.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DARK, BRIGHT = 10, 240


def test_a_screen_in_the_guest(start_pair: StartPair, programs: Programs, tmp_path: Path) -> None:
    """It is white, and so becomes ours, which was black."""
    for program in ("Xvfb", SERVER, "xfreerdp"):
        needs(program)
    with (
        screen(tmp_path / "theirs", "-wr") as theirs,
        screen(tmp_path / "ours", "-br") as ours,
        rdp_server(programs, theirs) as inside,
    ):
        assert ours.brightness() < DARK
        pair = start_pair(
            guest_options=("--expose", str(inside)),
            host_options=("--forward", f"0:127.0.0.1:{inside}"),
        )
        port = pair.host.wait_for_log(r"forwarding 127\.0\.0\.1:(\d+) to")[1]
        client = (
            *("xfreerdp", f"/v:127.0.0.1:{port}", f"/size:{WIDTH}x{HEIGHT}", "/cert:ignore"),
            *("/u:carol", "/p:sesame"),
        )

        with running(programs, client, ours) as viewer:

            def see() -> None:
                viewer.check()
                assert ours.brightness() > BRIGHT

            eventually(see)
