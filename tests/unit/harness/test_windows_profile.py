"""Profiles: the ones we have are right, and wrong ones are refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.windows.profile import PROFILES, ProfileError, load, names, parse

pytestmark = pytest.mark.unit

GOOD = (PROFILES / "server-2022.toml").read_text()


def test_there_is_a_profile_for_each_windows() -> None:
    assert names() == ["server-2022", "server-2025", "windows-11"]
    assert [load(name).client for name in names()] == [False, False, True]
    assert [load(name).evaluation_days for name in names()] == [180, 180, 90]
    assert [load(name).secure_boot for name in names()] == [False, True, True]


def test_a_client_is_entered_by_an_account_of_our_own() -> None:
    assert load("windows-11").account == "vsocks"
    assert load("server-2025").account == "Administrator"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("image_index = 2", ""), "missing: image_index"),
        (GOOD + "colour = 'red'\n", "unknown: colour"),
        (GOOD.replace("image_index = 2", "image_index = '2'"), "not of type int"),
        (GOOD.replace("client = false", "client = 0"), "not of type bool"),
        (GOOD.replace('"zip"', '"msi"'), "openssh = 'msi'"),
        ("title = ", "Invalid value"),
    ],
    ids=["missing", "unknown", "type", "bool", "openssh", "syntax"],
)
def test_a_wrong_profile_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "it.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=complaint):
        parse("it", path)


def test_an_unknown_profile_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"server-2022, server-2025, windows-11"):
        load("vista")
