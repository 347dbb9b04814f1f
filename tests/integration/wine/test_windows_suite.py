"""The tests of the Windows modules, in a Windows Python on Wine, and which lines they ran."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.exe.pypi import packages
from harness.exe.python import VERSION, windows_python
from harness.exe.wine import Wine
from harness.transcript import Pump, Transcript
from tests.integration.wine.test_channels import com_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(700, func_only=True)]

ROOT = Path(__file__).parents[3]
TEST_PACKAGES = ROOT / "harness" / "exe" / "test-packages.txt"
WINDOWS_ONLY = [
    "vsocks/channel/serial_settings.py",
    "vsocks/channel/windows.py",
    "vsocks/cli/service.py",
    "vsocks/cli/service_logs.py",
    "vsocks/cli/service_package.py",
    "vsocks/cli/service_run.py",
    "vsocks/cli/service_settings.py",
    "vsocks/cli/service_setup.py",
    "vsocks/windows/*.py",
]
NOT_IN_WINE = {
    # Wine 8 never ends a read with the time-outs that Windows gets.
    "vsocks/channel/serial_settings.py": 1,
}
"""Lines that only a true Windows runs."""

SUITE_SECONDS = 500


class EchoLine:
    """A serial line whose other end gives back what it gets; `device` is its path."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.device = os.ttyname(self._slave)
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            readable, _, _ = select.select([self._master, self._stop], [], [])
            if self._stop in readable:
                return
            os.write(self._master, os.read(self._master, 1024))

    def close(self) -> None:
        os.close(self._stopped)
        self._thread.join(10)
        for descriptor in (self._stop, self._master, self._slave):
            os.close(descriptor)


@contextmanager
def echo_line() -> Iterator[EchoLine]:
    line = EchoLine()
    try:
        yield line
    finally:
        line.close()


def settings(wine: Wine, folder: Path) -> Path:
    """What coverage is to count; also found by the services that the tests start."""
    path = folder / "coverage.ini"
    source = wine.windows_path(ROOT / "vsocks")
    # In a folder of their own: coverage takes all files for data that begin with this name.
    data = wine.windows_path(folder / "counted" / "lines")
    path.write_text(
        f"[run]\nsource = {source}\ndata_file = {data}\nparallel = true\ncore = ctrace\n"
        "[report]\nexclude_also =\n    if TYPE_CHECKING:\n    assert sys.platform\n"
    )
    return path


def python(wine: Wine, folder: Path, *arguments: str, **extra: str) -> str:
    """Run the Windows Python; returns what it printed, and fails with that if it fails."""
    path = [
        wine.windows_path(folder)
        for folder in (packages(TEST_PACKAGES, VERSION.rpartition(".")[0]), ROOT)
    ]
    extra |= {"PYTHONPATH": ";".join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    log = folder / "windows-suite.log"
    running = subprocess.Popen(
        wine.command(windows_python() / "python.exe", "-X", "utf8", *arguments),
        env=wine.environment(extra),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert running.stdout
    said = Transcript("the suite")
    pump = Pump(os.dup(running.stdout.fileno()), said, log)
    running.stdout.close()
    try:
        # Not until the end of its output: a service that it has started may hold on to that.
        status = running.wait(SUITE_SECONDS)
    finally:
        running.kill()
        running.wait()
        with contextlib.suppress(TimeoutError):
            pump.close(2)
    assert status == 0, said.text()
    return said.text()


def test_the_suite_passes_and_runs_every_line(
    own_wine: Wine, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    rc = settings(own_wine, tmp_path)
    config = own_wine.windows_path(rc)
    # The services of the suite look here: they get nothing of our environment.
    temporary = tmp_path / "suite"
    temporary.mkdir()
    with echo_line() as line, com_port(own_wine, "COM7", line.device):
        printed = python(
            own_wine,
            tmp_path,
            *("-m", "coverage", "run", f"--rcfile={config}"),
            *("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/windows"),
            f"--basetemp={own_wine.windows_path(temporary / 'it')}",
            VSOCKS_TEST_COM="COM7",
            VSOCKS_COVERAGE=config,
        )
        python(own_wine, tmp_path, "-m", "coverage", "combine", f"--rcfile={config}", "-q")
        report = tmp_path / "coverage.json"
        arguments = ("json", f"--rcfile={config}", "-q", "-o", own_wine.windows_path(report))
        python(own_wine, tmp_path, "-m", "coverage", *arguments)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    missing = _missing(json.loads(report.read_text()))
    with capture.global_and_fixture_disabled():
        print(f"\nin Wine: {printed.strip().splitlines()[-1]}")
        for name, (lines, not_run) in missing.items():
            done = 100 * (lines - len(not_run)) / max(1, lines)
            print(f"  {name}: {done:.0f} % of {lines} lines run{_listed(not_run)}")
    for name, (_, not_run) in missing.items():
        assert len(not_run) <= NOT_IN_WINE.get(name, 0), f"{name}: never run: {not_run}"


def _missing(
    report: dict[str, dict[str, dict[str, list[int]]]],
) -> dict[str, tuple[int, list[int]]]:
    """For each Windows-only module: its lines, and which of them no test has run."""
    found = {}
    for name, file in report["files"].items():
        path = Path(name.replace("\\", "/"))
        relative = next((p for p in WINDOWS_ONLY if path.match(p)), None)
        if relative:
            lines = len(file["executed_lines"]) + len(file["missing_lines"])
            parts = path.parts[path.parts.index("vsocks") :]
            found["/".join(parts)] = (lines, file["missing_lines"])
    assert len(found) >= len(WINDOWS_ONLY), sorted(report["files"])
    return dict(sorted(found.items()))


def _listed(lines: list[int]) -> str:
    return f", not {', '.join(map(str, lines))}" if lines else ""
