"""The provisioning disc: built, read back as Windows reads it, and checked."""

from __future__ import annotations

import json
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from harness.windows.answer import answer_file
from harness.windows.iso import (
    Contents,
    DiscError,
    check_disc,
    driver_folder,
    extract,
    volume_label,
    write_disc,
)
from harness.windows.profile import load
from harness.windows.settings import faults
from tests.integration.windows_vm import things

pytestmark = pytest.mark.integration

PROFILE = load("server-2022")
FILES = {
    "SHA256SUMS",
    "authorized_keys",
    "boot.cmd",
    "first-logon.cmd",
    "inside.zip",
    "openssh.zip",
    "python.zip",
    "settings.json",
    "vioser.cat",
    "vioser.inf",
    "vioser.sys",
}


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return Contents(
        PROFILE,
        answer_file(PROFILE, "Aa1" + "x" * 12),
        things.python(tmp_path),
        driver_folder(things.virtio_win(tmp_path), PROFILE, tmp_path / "driver"),
        "ssh-ed25519 AAAA vsocks\n",
        things.openssh(tmp_path),
    )


@pytest.fixture
def root(contents: Contents, tmp_path: Path) -> Path:
    write_disc(contents, tmp_path / "disc.iso")
    extract(tmp_path / "disc.iso", "/", tmp_path / "root", joliet=True)
    return tmp_path / "root"


def test_windows_finds_everything_under_its_own_name(root: Path) -> None:
    assert {path.name for path in (root / "vsocks").iterdir()} == FILES
    assert faults((root / "autounattend.xml").read_bytes(), PROFILE) == []
    assert (root / "vsocks" / "vioser.inf").read_text() == "vioser.inf for 2k22"
    with zipfile.ZipFile(root / "vsocks" / "python.zip") as zipped:
        assert "python.exe" in zipped.namelist()
    with zipfile.ZipFile(root / "vsocks" / "inside.zip") as zipped:
        assert {"inside/provision.py", "inside/launch.py"} <= set(zipped.namelist())
        assert not any("pycache" in name for name in zipped.namelist())


def test_the_manifest_is_one_that_sha256sum_checks(root: Path) -> None:
    subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=root / "vsocks", check=True)
    assert len((root / "vsocks" / "SHA256SUMS").read_text().splitlines()) == len(FILES) - 1


def test_scripts_have_the_line_ends_of_windows(root: Path) -> None:
    for path in (root / "vsocks").glob("*.cmd"):
        lines = path.read_bytes().split(b"\n")
        assert all(line.endswith(b"\r") for line in lines[:-1]), path


def test_the_same_things_make_the_same_archives(contents: Contents, tmp_path: Path) -> None:
    manifests = []
    for name in ("a", "b"):
        write_disc(contents, tmp_path / f"{name}.iso")
        extract(tmp_path / f"{name}.iso", "/vsocks/SHA256SUMS", tmp_path / name)
        manifests.append((tmp_path / name).read_text())
    assert manifests[0] == manifests[1]


def test_a_damaged_disc_is_noticed(contents: Contents, tmp_path: Path) -> None:
    iso = tmp_path / "disc.iso"
    write_disc(contents, iso)
    data = bytearray(iso.read_bytes())
    at = data.index(b"vioser.sys for 2k22")
    data[at] ^= 1
    iso.write_bytes(data)
    with pytest.raises(DiscError, match="its manifest says"):
        check_disc(iso)


def test_a_windows_without_ssh_needs_the_zip(contents: Contents, tmp_path: Path) -> None:
    with pytest.raises(DiscError, match="OPENSSH_ZIP is needed"):
        write_disc(replace(contents, openssh=None), tmp_path / "disc.iso")
    server_2025 = replace(contents, openssh=None, profile=load("server-2025"))
    write_disc(server_2025, tmp_path / "2025.iso")


def test_another_iso_than_virtio_win_is_noticed(tmp_path: Path) -> None:
    root = tmp_path / "other"
    root.mkdir()
    (root / "readme").touch()
    other = things.iso_of(root, tmp_path / "other.iso", "OTHER")
    assert volume_label(other) == "OTHER"
    with pytest.raises(DiscError, match="vioserial"):
        driver_folder(other, PROFILE, tmp_path / "driver")
    (tmp_path / "no.iso").write_bytes(bytes(40_000))
    with pytest.raises(DiscError, match="is no ISO image"):
        volume_label(tmp_path / "no.iso")


def test_a_disc_for_a_box_has_no_answers_and_maybe_no_driver(
    contents: Contents, tmp_path: Path
) -> None:
    box = replace(contents, answer=b"", driver=None, account="vagrant")
    write_disc(box, tmp_path / "box.iso")
    extract(tmp_path / "box.iso", "/", tmp_path / "box", joliet=True)
    assert [path.name for path in (tmp_path / "box").iterdir()] == ["vsocks"]
    found = {path.name for path in (tmp_path / "box" / "vsocks").iterdir()}
    assert found == FILES - {"vioser.cat", "vioser.inf", "vioser.sys"}
    settings = json.loads((tmp_path / "box" / "vsocks" / "settings.json").read_text())
    assert (settings["driver"], settings["account"]) == (False, "vagrant")


def test_an_installation_without_answers_is_no_disc(contents: Contents, tmp_path: Path) -> None:
    write_disc(replace(contents, answer=b""), tmp_path / "disc.iso")
    with pytest.raises(DiscError, match=r"no autounattend\.xml"):
        check_disc(tmp_path / "disc.iso")
