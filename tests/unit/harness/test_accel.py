"""Why there is no KVM, in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.accel import why_closed

pytestmark = pytest.mark.unit


def test_a_device_that_is_not_there_is_not_there(tmp_path: Path) -> None:
    assert why_closed(tmp_path / "kvm") == "does not exist"


def test_a_device_without_permission_names_the_group_that_has_it(tmp_path: Path) -> None:
    device = tmp_path / "kvm"
    device.touch()
    said = why_closed(device)
    assert f"by the group {device.group()}:" in said
    assert f"sudo usermod -aG {device.group()} $USER" in said
