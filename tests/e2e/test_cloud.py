"""Machines from an image with cloud-init, by both firmwares."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cloud.firmware import Firmware
from harness.cloud.guest import UNIT
from harness.cloud.lab import BOOT_SECONDS, CloudLab
from harness.lab import Lab
from harness.places import ROOT
from harness.spec import Accel
from harness.targets import FileServer, payload, serving, sha256
from harness.testing.desk import Desk
from harness.windows.iso import sha256 as sha256_of_file
from tests.e2e.cloud_image import debian_cloud_image
from tests.e2e.conftest import rig_of
from tests.e2e.rig import SOCKS_PORT, SOON, START, UP, Rig
from tests.integration.support.plugin_run import project, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

DATA = payload(1_048_576)
THEIRS = """
from harness.targets import FileServer, serving

def test_a_page_of_the_host(guest, vsocks_pair):
    guest.succeed("test -e /var/lib/cloud/instance/boot-finished")
    with serving(FileServer(b"a page")) as server:
        assert guest.succeed(f"curl -fsS --proxy {vsocks_pair.proxy} {server.url}") == "a page"
"""


@pytest.fixture(scope="module")
def image(vm_desk: Desk) -> Iterator[Path]:
    """The image, which is the same to the byte when all machines of it have run."""
    with vm_desk.on_terminal():
        image = debian_cloud_image()
    before = sha256_of_file(image)
    yield image
    assert sha256_of_file(image) == before


@pytest.fixture(scope="module", params=Firmware, ids=lambda firmware: firmware.value)
def firmware(request: pytest.FixtureRequest) -> Firmware:
    found: Firmware = request.param
    return found


@pytest.fixture(scope="module")
def lab(firmware: Firmware, image: Path, vm_desk: Desk) -> Lab:
    lab = CloudLab(image, firmware)
    vm_desk.prepare(lab, "cloud_rig")
    return lab


@pytest.fixture
def cloud_rig(lab: Lab, vm_desk: Desk) -> Iterator[Rig]:
    with rig_of(lab, vm_desk, "cloud_rig") as rig:
        yield rig


def test_an_image_boots_and_carries_traffic(cloud_rig: Rig, firmware: Firmware) -> None:
    rig, guest = cloud_rig, cloud_rig.guest
    by_uefi = guest.run("test -d /sys/firmware/efi").status == 0
    assert by_uefi == (firmware is Firmware.UEFI)
    guest.succeed("test -e /var/lib/cloud/instance/boot-finished")
    assert not guest.has_way_out()
    rig.start_both()
    with serving(FileServer(DATA)) as server:
        proxy = f"socks5h://127.0.0.1:{SOCKS_PORT}"
        guest.fail(f"curl -fsS --max-time 3 {server.url}")
        guest.succeed(f"curl -fsS --proxy {proxy} -o /var/tmp/page {server.url}", timeout=SOON)
    assert guest.sha256("/var/tmp/page") == sha256(DATA)
    rig.check_transfers_work()


def test_one_command_in_a_machine_of_an_image(image: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness", "run", "--image", str(image), "--get", "out"]
    done = subprocess.run(
        [*command, "--", "cloud-init --version > out; exit 7"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOOT_SECONDS[Accel.TCG],
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert "cloud-init" in (tmp_path / "out").read_text()


def test_the_plugin_gives_machines_of_an_image(
    image: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(pytester, monkeypatch, THEIRS)
    ended, told = run(pytester, f"--vm-image={image}")
    ended.assert_outcomes(passed=1)
    assert "Linux, by cloud-init, bios" in told


def test_the_unit_is_there_for_whoever_starts_it(cloud_rig: Rig) -> None:
    rig, guest = cloud_rig, cloud_rig.guest
    guest.succeed(f"systemctl start {UNIT}", timeout=START)
    host = rig.start_host()
    host.log.wait(UP, timeout=START)
    assert guest.succeed(f"systemctl is-active {UNIT}").strip() == "active"
    rig.check_transfers_work()
