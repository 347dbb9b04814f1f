"""vsocks-guest.exe, as somebody meets it who has just got it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import vsocks
from harness.exe.wine import Wine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(500, func_only=True)]


def run(wine: Wine, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        wine.command(program, *arguments),
        env=wine.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@pytest.fixture(params=["file_form", "folder_form"])
def program(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def test_it_tells_its_version(shared_wine: Wine, program: Path) -> None:
    told = run(shared_wine, program, "--version")
    assert (told.returncode, told.stdout) == (0, f"vsocks-guest {vsocks.__version__}\n")


def test_it_tells_every_option(shared_wine: Wine, program: Path) -> None:
    told = run(shared_wine, program, "--help")
    assert told.returncode == 0
    for option in ("--channel", "--listen", "--max-streams", "--wire", "--log-format", "-v"):
        assert option in told.stdout
    for form in ("virtio[:NAME]", "com:COM3", "pipe:NAME", "path:PATH"):
        assert form in told.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--nonsense"], "--nonsense"),
        (["--listen", "nonsense"], "'nonsense' is not ADDR:PORT"),
        (["--channel", "unix:/x"], "no unix sockets on Windows; use pipe:NAME"),
        (["service"], "required: install|start|stop|status|reconfigure|upgrade|uninstall"),
        (["service", "run"], "to start the service: service start"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nonsense_gets_one_line(
    shared_wine: Wine, folder_form: Path, arguments: list[str], problem: str
) -> None:
    told = run(shared_wine, folder_form, *arguments)
    assert told.returncode in {1, 2}
    assert problem in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_its_version_is_in_its_resources(file_form: Path, folder_form: Path) -> None:
    """Windows shows it among the file's properties; the text is UTF-16."""
    for path in (file_form, folder_form):
        content = path.read_bytes()
        for text in ("vsocks guest: a door to the host", vsocks.__version__):
            assert text.encode("utf-16-le") in content


def test_it_starts_by_a_bootloader_of_our_making(file_form: Path, folder_form: Path) -> None:
    """Only mingw's runtime has these words; the stock bootloader has another compiler's."""
    for path in (file_form, folder_form):
        assert b"Mingw-w64 runtime failure" in path.read_bytes()


def test_only_what_it_needs_is_inside(folder_form: Path) -> None:
    inside = {path.name for path in (folder_form.parent / "_internal").iterdir()}
    assert "python312.dll" in inside
    assert not [name for name in inside if "ssl" in name or "crypto" in name]
