"""Who has the port, when Windows says that access is denied."""

from __future__ import annotations

import os
import re
import sys

import pytest

from tests.windows.support import run

assert sys.platform == "win32"

from vsocks.channel import open_source, parse_spec
from vsocks.windows import port_holder


def test_a_device_that_is_denied() -> None:
    """A folder stands for it: Windows lets nobody open one like a file."""

    async def denied() -> None:
        with pytest.raises(PermissionError, match=r"access to C:\\ is denied: .*(program|rights)"):
            await open_source(parse_spec("path:C:\\")).open()

    run(denied())


@pytest.mark.parametrize(
    ("is_administrator", "running", "answer"),
    [
        (False, "", "administrator rights are needed; run this as administrator"),
        (True, "", "another program has it open"),
        (True, "spice-agent", r"the service spice-agent \(process 77\) has it open"),
        (True, "vsocks-guest", r"the service vsocks-guest \(process 77\) has it open"),
        (True, "ourselves", "an earlier process of this service is still ending"),
    ],
)
def test_the_answer(
    monkeypatch: pytest.MonkeyPatch, is_administrator: bool, running: str, answer: str
) -> None:
    monkeypatch.setattr(port_holder, "_is_administrator", lambda: is_administrator)
    if running == "ourselves":
        running = "vsocks-guest"
        monkeypatch.setattr(os, "getpid", lambda: 77)
    monkeypatch.setattr(port_holder, "running_service", lambda name: 77 if name == running else 0)
    assert re.search(answer, port_holder.why_denied())


def test_we_know_whether_we_are_administrator() -> None:
    assert port_holder._is_administrator() in {True, False}
