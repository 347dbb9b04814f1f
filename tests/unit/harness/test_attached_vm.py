"""What can be done with a machine of somebody else's, and what is refused, is all that `VM` has."""

from __future__ import annotations

import pytest

from harness.attached_vm import AttachedVM
from harness.vm import VM

pytestmark = pytest.mark.unit

FROM_OUTSIDE = {
    *("awaiting_an_answer", "inject_nmi", "keep", "log", "pause", "pid", "port_is_open", "qemu"),
    *("qmp", "reset", "resume", "screenshot", "socket", "wait_port", "wait_until_booted"),
    "wait_until_reset",
}
"""What changes nothing for good, or says itself why it can't be had."""


def test_a_method_of_a_machine_is_for_everybody_or_is_refused() -> None:
    methods = {name for name in dir(VM) if name[0] != "_" and name != "borrowed"}
    refused = {
        name for name in methods if getattr(vars(AttachedVM).get(name), "__name__", "") == "refuse"
    }
    assert methods - refused == FROM_OUTSIDE
