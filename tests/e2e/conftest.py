"""Fixtures of the tests in a VM, what is kept of a failure, and the table at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from harness.accel import Choice, choose
from harness.cache import ROOT
from harness.debian import DebianGuest
from harness.image import Image, debian_image
from harness.warm import warm_state
from tests.e2e.boot_gate import BootGate
from tests.e2e.rig import Rig, running_rig

ARTIFACTS = ROOT / "tests" / "artifacts" / "e2e"

failed = pytest.StashKey[bool]()
FIGURE = "figure"


class Row(NamedTuple):
    """A line of the table at the end."""

    test: str
    guest: str
    result: str
    seconds: float
    notes: str


rows: list[Row] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The limit is for the test, not for building an image in a fixture before it."""
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.fixture(scope="session")
def boot_gate() -> BootGate:
    return BootGate()


@pytest.fixture(scope="session")
def machine(boot_gate: BootGate, pytestconfig: pytest.Config) -> tuple[Image, Choice]:
    """What the machines are made of. Whatever has to be built first is shown as it goes."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with boot_gate, capture.global_and_fixture_disabled():
        image = debian_image()
        choice = choose(image)
        warm_state(image, choice)
        print(f"\nVM: Debian under {choice}")
    return image, choice


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Adds a figure to the test's line in the table at the end."""
    return lambda figure: record_property(FIGURE, figure)


@pytest.fixture
def rig(
    machine: tuple[Image, Choice],
    boot_gate: BootGate,
    request: pytest.FixtureRequest,
    note: Callable[[str], None],
) -> Iterator[Rig]:
    """A machine of the test's own; no daemon runs yet."""
    with _rig(machine, boot_gate, request) as rig:
        rig.note = note
        yield rig


@pytest.fixture(scope="module")
def shared_rig(
    machine: tuple[Image, Choice], boot_gate: BootGate, request: pytest.FixtureRequest
) -> Iterator[Rig]:
    """A machine, with both daemons in session, for the tests of a module that break nothing."""
    with _rig(machine, boot_gate, request) as rig:
        rig.start_both()
        yield rig


@contextmanager
def _rig(
    machine: tuple[Image, Choice], boot_gate: BootGate, request: pytest.FixtureRequest
) -> Iterator[Rig]:
    """A running rig; if one of its tests fails, what it said is kept."""
    with ExitStack() as stack:
        with boot_gate:
            rig = stack.enter_context(running_rig(*machine))
        try:
            yield rig
        finally:
            if request.node.stash.get(failed, False):
                name = re.sub(r"[^\w.-]+", "_", request.node.nodeid.split("/")[-1])
                rig.collect(ARTIFACTS / name)
                print(f"logs, console and screen: {ARTIFACTS / name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, object]:
    report = yield
    if report.failed:
        for node in item.listchain():
            node.stash[failed] = True
    if report.when == "call" or not report.passed:
        notes = "; ".join(str(value) for name, value in report.user_properties if name == FIGURE)
        rows.append(Row(item.name, DebianGuest.kind, report.outcome, report.duration, notes))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not rows:
        return
    terminalreporter.section("in the VM")
    width = max(len(row.test) for row in rows)
    terminalreporter.write_line(f"{'test':{width}}  guest  result   time     figures")
    for row in rows:
        terminalreporter.write_line(
            f"{row.test:{width}}  {row.guest:5}  {row.result:7}  {row.seconds:5.1f} s  {row.notes}"
        )
