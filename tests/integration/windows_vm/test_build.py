"""The whole build, with a disc that says what Windows would: all of it but Windows."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.spec import Accel
from harness.transcript import Transcript
from harness.windows import build
from harness.windows.build import Sources, build_image, image_name, record_of
from harness.windows.image import ImageError, find_image
from harness.windows.machine import FIRMWARE, WindowsSpec
from harness.windows.milestones import INSTALLATION, MissedError, watch
from harness.windows.profile import load
from tests.integration.windows_vm import things
from tests.integration.windows_vm.grub_disc import grub_disc
from tests.integration.windows_vm.test_firmware import SAID, script, spoken

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(240, func_only=True),
    pytest.mark.skipif(not FIRMWARE.is_file(), reason=f"no {FIRMWARE}: install the package ovmf"),
]

PROFILE = load("server-2022")


def sources(folder: Path, said: list[str]) -> Sources:
    return Sources(
        grub_disc(script(said), folder / "windows"),
        things.virtio_win(folder),
        things.openssh(folder),
    )


def test_an_image_that_does_not_boot_is_no_image(cache: Path, tmp_path: Path) -> None:
    # The disc plays the whole installation, but installs nothing: the boot after it must fail.
    with pytest.raises(MissedError, match=r"milestone not reached: booting.*(?s:.*)BdsDxe"):
        build_image(PROFILE, sources(tmp_path, spoken()))
    assert find_image({}) is None
    assert not [path for path in (cache / "images").iterdir() if path.is_dir()]
    kept = {path.name for path in (cache / "windows-build").iterdir()}
    assert {"install-console.log", "boot-console.log", "error.txt", "at-the-failure.png"} <= kept


def test_an_installation_that_fails_leaves_no_image(cache: Path, tmp_path: Path) -> None:
    failing = ["vsocks: reached first-logon", "vsocks: failed: no reason"]
    with pytest.raises(MissedError, match="vsocks: failed: no reason"):
        build_image(PROFILE, sources(tmp_path, failing))
    assert not [path for path in (cache / "images").iterdir() if path.is_dir()]


def test_what_is_missing_is_told_before_anything_is_done(cache: Path, tmp_path: Path) -> None:
    there = things.virtio_win(tmp_path)
    with pytest.raises(ImageError, match=r"there is no file /no\.iso"):
        build_image(PROFILE, Sources(Path("/no.iso"), there, there))
    with pytest.raises(ImageError, match=r"OPENSSH_ZIP=.*Win32-OpenSSH/releases"):
        build_image(PROFILE, Sources(there, there))
    with pytest.raises(ImageError, match=r"is [0-9a-f]{64}, not 00: another file"):
        build_image(PROFILE, Sources(there, there, there, windows_sha256="00"))
    assert not (cache / "windows-build").exists()


def test_the_record_has_what_windows_told() -> None:
    console = Transcript("the console")
    console.feed(SAID.read_bytes())
    lines = watch(console, INSTALLATION)
    spec = WindowsSpec(Path("/d"), Path("/v"), Accel.KVM, 4096, 2)
    built = datetime(2026, 11, 22, tzinfo=UTC)
    record = record_of(PROFILE, spec, lines, built, {"windows": "00"})
    assert record.expires == "2027-05-21T00:00:00+00:00"
    assert record.expiry_source == "told by Windows"
    assert record.host_key.startswith("AAAAC3NzaC1lZDI1NTE5")
    assert (record.account, record.accel) == ("Administrator", "kvm")


def test_other_sources_make_another_image() -> None:
    one, two = image_name(PROFILE, {"windows": "00"}), image_name(PROFILE, {"windows": "01"})
    assert one != two
    assert one == image_name(PROFILE, {"windows": "00"})


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    build.write_secret(tmp_path / "password", "secret")
    build.make_key(tmp_path / "key")
    for name in ("password", "key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
