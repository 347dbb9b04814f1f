"""Fixtures of the tests in a VM, what is kept of a failure, and the table at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import pytest

from harness.debian_lab import DebianLab
from harness.lab import Lab
from harness.places import ROOT
from harness.windows.lab import windows_lab
from harness.wine_guest import WineLab
from tests.e2e.boot_gate import BootGate
from tests.e2e.rig import Rig, running_rig

ARTIFACTS = ROOT / "tests" / "artifacts" / "e2e"

LABS: list[Lab] = [DebianLab(), windows_lab() or WineLab()]
"""The guests that a test is about: Linux, and the best Windows at hand."""

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
        if item.get_closest_marker("e2e") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.fixture(scope="session")
def boot_gate() -> BootGate:
    return BootGate()


@pytest.fixture(scope="session", params=LABS, ids=lambda lab: lab.kind)
def lab(request: pytest.FixtureRequest, boot_gate: BootGate, pytestconfig: pytest.Config) -> Lab:
    """Each kind of guest in turn. Whatever has to be built first is shown as it goes."""
    return _prepared(request.param, boot_gate, pytestconfig)


@pytest.fixture(scope="session")
def debian(boot_gate: BootGate, pytestconfig: pytest.Config) -> DebianLab:
    """For what is about the machine or about Linux."""
    lab = DebianLab()
    _prepared(lab, boot_gate, pytestconfig)
    return lab


def _prepared(lab: Lab, boot_gate: BootGate, config: pytest.Config) -> Lab:
    capture = config.pluginmanager.getplugin("capturemanager")
    with boot_gate, capture.global_and_fixture_disabled():
        print(f"\n{lab.kind}: {lab.prepare()}")
    return lab


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Adds a figure to the test's line in the table at the end."""
    return lambda figure: record_property(FIGURE, figure)


@pytest.fixture
def rig(
    lab: Lab, boot_gate: BootGate, request: pytest.FixtureRequest, note: Callable[[str], None]
) -> Iterator[Rig]:
    """A machine of the test's own; no daemon runs yet."""
    with rig_of(lab, boot_gate, request) as rig:
        rig.note = note
        yield rig


@pytest.fixture
def debian_rig(
    debian: DebianLab, boot_gate: BootGate, request: pytest.FixtureRequest
) -> Iterator[Rig]:
    """The same with Debian alone."""
    with rig_of(debian, boot_gate, request) as rig:
        yield rig


@pytest.fixture(scope="module")
def shared_rig(lab: Lab, boot_gate: BootGate, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A machine, with both daemons in session, for the tests of a module that break nothing."""
    with rig_of(lab, boot_gate, request) as rig:
        rig.start_both()
        yield rig


@contextmanager
def rig_of(lab: Lab, boot_gate: BootGate, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """A running rig; if one of its tests fails, what it said is kept."""
    with ExitStack() as stack:
        with boot_gate:
            rig = stack.enter_context(running_rig(lab))
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
        name, kind = _name_and_guest(item)
        rows.append(Row(name, kind, report.outcome, report.duration, notes))
    return report


def _name_and_guest(item: pytest.Item) -> tuple[str, str]:
    """The test's name without the guest in it, and the guest."""
    callspec = getattr(item, "callspec", None)
    lab = callspec.params.get("lab") if callspec else None
    if lab is None:
        return item.name, DebianLab.kind
    return item.name.replace(f"[{lab.kind}]", "").replace(f"{lab.kind}-", ""), lab.kind


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not rows:
        return
    terminalreporter.section("in the VM")
    rows.sort(key=lambda row: row.guest != DebianLab.kind)
    test = max(len(row.test) for row in rows)
    guest = max(len(row.guest) for row in rows)
    terminalreporter.write_line(f"{'test':{test}}  {'guest':{guest}}  result   time     figures")
    for row in rows:
        terminalreporter.write_line(
            f"{row.test:{test}}  {row.guest:{guest}}  {row.result:7}  {row.seconds:5.1f} s"
            f"  {row.notes}"
        )
