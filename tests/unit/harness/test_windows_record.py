"""Until when an image may be used, and which image is taken."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.cache import made
from harness.windows.image import ImageError, find_image, open_image
from harness.windows.record import (
    ExpiredError,
    Record,
    RecordError,
    check_expiry,
    expiry,
    read,
)

pytestmark = pytest.mark.unit

BUILT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RECORD = Record(
    profile="server-2022",
    account="Administrator",
    built=BUILT.isoformat(),
    expires=(BUILT + timedelta(days=180)).isoformat(),
    expiry_source="told by Windows",
    host_key="AAAA",
    checksums={"windows": "00"},
    qemu="QEMU",
    accel="kvm",
    memory_mb=4096,
    cpus=2,
)


def test_windows_word_counts_before_the_profiles() -> None:
    assert expiry(BUILT, "14400", 180) == ("2026-03-11T12:00:00+00:00", "told by Windows")
    assert expiry(BUILT, "unknown", 90) == ("2026-05-30T12:00:00+00:00", "the profile's days")
    assert expiry(BUILT, "0", 90)[1] == "the profile's days"
    assert expiry(BUILT, "0", 0) == ("", "no evaluation")


def test_an_expired_one_is_refused_with_what_to_do() -> None:
    day = timedelta(days=1)
    assert "(180 days)" in check_expiry(RECORD, BUILT)
    assert "soon" not in check_expiry(RECORD, BUILT + 172 * day)
    assert "build it again soon" in check_expiry(RECORD, BUILT + 174 * day)
    with pytest.raises(ExpiredError, match=r"make windows-image PROFILE=server-2022"):
        check_expiry(RECORD, BUILT + 180 * day)
    assert "does not expire" in check_expiry(replace(RECORD, expires=""), BUILT + 9999 * day)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    assert read(tmp_path) == RECORD


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"profile": "x"}', '{"colour": 1}'])
def test_a_broken_record_is_no_record(text: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(text)
    with pytest.raises(RecordError, match=r"record\.json"):
        read(tmp_path)


FRESH = replace(RECORD, expires=(datetime.now(UTC) + timedelta(days=9)).isoformat())
OLD = replace(RECORD, expires=(datetime.now(UTC) - timedelta(days=9)).isoformat())


def image(folder: Path, record: Record = FRESH) -> Path:
    folder.mkdir(parents=True)
    for name in ("disk.qcow2", "variables.fd", "id_ed25519"):
        (folder / name).touch()
    record.write(folder)
    return folder


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VSOCKS_CACHE", str(tmp_path))
    return tmp_path / "images"


def name(number: int, profile: str = "server-2022") -> str:
    return f"windows-{profile}-{number:012x}"


def test_without_an_image_there_is_none(images: Path) -> None:
    assert find_image({}) is None


def test_the_newest_usable_one_is_taken(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image(images / name(1), replace(FRESH, built="2026-01-01T00:00:00+00:00"))
    newest = image(images / name(2), replace(FRESH, built="2026-03-01T00:00:00+00:00"))
    image(images / name(3), replace(OLD, built="2026-04-01T00:00:00+00:00"))
    (image(images / name(4)) / "disk.qcow2").unlink()
    found = find_image({})
    assert found
    assert found.folder == newest
    told = capsys.readouterr().err
    assert re.search(rf"not used: {name(3)}: the evaluation .* was over", told)
    assert re.search(rf"not used: {name(4)}: .*disk.qcow2 is missing", told)


def test_what_is_still_being_built_is_no_image(images: Path) -> None:
    def build(folder: Path) -> None:
        folder.rmdir()
        image(folder)
        assert find_image({}) is None

    made(images / name(1), build)
    assert find_image({})


def test_a_kept_state_is_no_image(images: Path) -> None:
    image(images / f"{name(1)}-warm-0123456789abcdef")
    assert find_image({}) is None


def test_the_variable_decides_and_must_be_right(images: Path, tmp_path: Path) -> None:
    image(images / name(1))
    elsewhere = image(tmp_path / "elsewhere")
    found = find_image({"VSOCKS_WINDOWS_IMAGE": str(elsewhere)})
    assert found
    assert found.folder == elsewhere
    OLD.write(elsewhere)
    with pytest.raises(ImageError, match=r"VSOCKS_WINDOWS_IMAGE=.*was over"):
        find_image({"VSOCKS_WINDOWS_IMAGE": str(elsewhere)})
    with pytest.raises(ImageError, match="is no folder"):
        find_image({"VSOCKS_WINDOWS_IMAGE": "/no/such"})


def test_access_is_by_the_images_key(tmp_path: Path) -> None:
    access = open_image(image(tmp_path / "it")).access(2222)
    assert (access.port, access.account) == (2222, "Administrator")
    assert access.key == tmp_path / "it" / "id_ed25519"
