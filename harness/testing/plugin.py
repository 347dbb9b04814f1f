"""The pytest plugin: machines as fixtures, and what is told of them at the end.

It is loaded in each pytest where vsocks is installed, so it loads the rest of the harness, and what
that needs, only for a test that asks for a machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .attaching import add_options, attached_lab, check
from .summary import FIGURE, OF_MACHINE, Summary

if TYPE_CHECKING:
    from ..guest import Guest
    from ..lab import Lab
    from ..vm import VM
    from .desk import Desk
    from .pair import VsocksPair

NEEDED = "the machines of vsocks need {}: pip install 'vsocks[harness]'"
SHELL_AND_WORKERS = "--vm-shell-on-failure needs the terminal for itself: leave out -n"


desk_key = pytest.StashKey["Desk"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Nothing here has a short form, and all of it begins alike."""
    group = parser.getgroup("vsocks", "virtual machines without a network card")
    group.addoption(
        "--vm-accel",
        choices=["kvm", "tcg"],
        help="how QEMU runs the guest's code (default: kvm, if it has booted something here)",
    )
    group.addoption(
        "--vm-image",
        metavar="FILE",
        type=Path,
        help="machines from a disk with cloud-init, qcow2 or raw, which is read only",
    )
    group.addoption(
        "--vm-firmware",
        choices=["bios", "uefi"],
        help="by which the image boots (default: bios)",
    )
    group.addoption(
        "--keep-vm",
        action="store_true",
        help="leave the machine of a failed test running, and say how to get in",
    )
    group.addoption(
        "--vm-shell-on-failure",
        action="store_true",
        help="open a shell in the machine of a test as soon as the test fails",
    )
    add_options(group)
    parser.addini(
        "vm_artifacts",
        type="paths",
        default=[],
        help="where console, screen and logs of failed tests go (default: vm-artifacts)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take the accelerator over: the harness, and processes it starts, read it there."""
    if config.getoption("vm_shell_on_failure") and config.getoption("numprocesses", None):
        raise pytest.UsageError(SHELL_AND_WORKERS)
    check(config)
    image = config.getoption("vm_image")
    if image and not image.is_file():
        raise pytest.UsageError(f"--vm-image {image}: there is no such file")
    if config.getoption("vm_firmware") and not image:
        raise pytest.UsageError("--vm-firmware is about a --vm-image FILE")
    config.pluginmanager.register(Summary(), "vsocks-summary")
    if accel := config.getoption("vm_accel"):
        os.environ["VSOCKS_ACCEL"] = accel


@pytest.fixture(scope="session")
def vm_desk(pytestconfig: pytest.Config) -> Desk:
    """Where machines come from, for fixtures of one's own."""
    try:
        from .desk import Desk
    except ModuleNotFoundError as error:
        pytest.fail(NEEDED.format(error.name), pytrace=False)
    [folder] = pytestconfig.getini("vm_artifacts") or [pytestconfig.rootpath / "vm-artifacts"]
    desk = Desk(pytestconfig, Path(folder), keep=pytestconfig.getoption("keep_vm"))
    pytestconfig.stash[desk_key] = desk
    return desk


@pytest.fixture(scope="session")
def vm_lab(vm_desk: Desk, pytestconfig: pytest.Config) -> Lab:
    """Which kind of machine all these fixtures give: Debian, if no option names another one.

    Override it for your own.
    """
    lab = attached_lab(pytestconfig) or _lab(pytestconfig)
    vm_desk.prepare(lab, "vm_lab")
    return lab


def _lab(config: pytest.Config) -> Lab:
    if not (image := config.getoption("vm_image")):
        from ..debian_lab import DebianLab

        return DebianLab()
    from ..cloud.firmware import Firmware
    from ..cloud.lab import CloudLab

    return CloudLab(image, Firmware(config.getoption("vm_firmware") or "bios"))


@pytest.fixture(scope="session")
def vsocks_host_options() -> Sequence[str]:
    """Options of the host daemons. Override it to allow less than the host's whole loopback."""
    from .pair import LOOPBACK

    return LOOPBACK


@pytest.fixture
def vm_pair(vm_lab: Lab, vm_desk: Desk, vsocks_host_options: Sequence[str]) -> Iterator[VsocksPair]:
    """A machine of the test's own on which no daemon runs yet."""
    with _pair(vm_desk, vm_lab, "vm_pair", vsocks_host_options) as pair:
        yield pair


@pytest.fixture
def vm(vm_pair: VsocksPair) -> VM:
    """A machine of the test's own, from a state in which it has booted already."""
    return vm_pair.vm


@pytest.fixture
def guest(vm_pair: VsocksPair) -> Guest:
    """What runs in `vm`: run, start, upload, download, wait."""
    return vm_pair.guest


@pytest.fixture
def vsocks_pair(vm_pair: VsocksPair) -> VsocksPair:
    """Both daemons on `vm`, in session."""
    vm_pair.start_both()
    return vm_pair


@pytest.fixture(scope="session")
def shared_vsocks_pair(
    vm_lab: Lab, vm_desk: Desk, vsocks_host_options: Sequence[str]
) -> Iterator[VsocksPair]:
    """One machine for all tests that break nothing (of a worker, with pytest-xdist), in session."""
    with _pair(vm_desk, vm_lab, "shared_vsocks_pair", vsocks_host_options) as pair:
        pair.start_both()
        yield pair


@pytest.fixture(scope="session")
def shared_vm(shared_vsocks_pair: VsocksPair) -> VM:
    """That machine."""
    return shared_vsocks_pair.vm


@pytest.fixture(scope="session")
def shared_guest(shared_vsocks_pair: VsocksPair) -> Guest:
    """What runs in `shared_vm`."""
    return shared_vsocks_pair.guest


@contextmanager
def _pair(desk: Desk, lab: Lab, fixture: str, host_options: Sequence[str]) -> Iterator[VsocksPair]:
    from .pair import VsocksPair

    with desk.running(lab, fixture, VsocksPair) as pair:
        pair.host_options = host_options
        yield pair


@pytest.fixture
def vm_note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Adds a figure to the test's line in the table at the end."""
    return lambda figure: record_property(FIGURE, figure)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look into the machines of a test that has failed, and add to the report what is told."""
    report = yield
    desk = item.config.stash.get(desk_key, None)
    if desk is None or not (kind := _kind(item, desk)):
        return report
    from ..stopwatch import take

    if report.failed and report.when != "teardown":
        report.sections += [("the machine", line) for line in desk.test_failed(item)]
    spent = take()
    if phase := {"call": "tests", "teardown": "ends"}.get(report.when or ""):
        spent[phase] = max(0.0, report.duration - sum(spent.values()))
    vars(report)[OF_MACHINE] = {"kind": kind, "spent": spent, "kept": desk.take_kept()}
    return report


def _kind(item: pytest.Item, desk: Desk) -> str:
    """The guest that a test is about; nothing if it has no machine."""
    names = getattr(item, "fixturenames", ())
    return next((desk.kinds[name] for name in names if name in desk.kinds), "")


def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, report: pytest.CollectReport | pytest.TestReport
) -> None:
    """Open a shell if that is asked for; the machine is still as the test left it."""
    desk = node.config.stash.get(desk_key, None)
    if desk and isinstance(node, pytest.Item) and node.config.getoption("vm_shell_on_failure"):
        desk.show(node, report.longreprtext)
