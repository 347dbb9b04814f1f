"""The wheel: what is in it, what it pulls, and that it runs where nothing else is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import vsocks

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("vsocks", "harness", "docs", "pyproject.toml", "*.md", "LICENSE")
BUILD_SECONDS = 120


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which the wheel is, installed with no index to get anything else from."""
    folder = tmp_path_factory.mktemp("environment")
    succeed(sys.executable, "-m", "venv", "--without-pip", folder)
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
    succeed(*pip, "install", "--no-index", wheel)
    return folder


def build(folder: Path) -> Path:
    """Build it in a copy of the sources, with what is installed here."""
    source = folder / "source"
    source.mkdir()
    for path in (path for pattern in SOURCES for path in REPOSITORY.glob(pattern)):
        if path.is_dir():
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    succeed(*command, source, SOURCE_DATE_EPOCH="1750000000")
    [wheel] = folder.glob("*.whl")
    return wheel


def succeed(*command: str | Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
        env={**clean, **environment},
        cwd="/",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metadata(wheel: Path) -> Message:
    with ZipFile(wheel) as files:
        [name] = [name for name in files.namelist() if name.endswith("/METADATA")]
        return Parser().parsestr(files.read(name).decode())


def test_a_guest_pulls_nothing_and_a_host_what_it_needs(wheel: Path) -> None:
    requirements = metadata(wheel).get_all("Requires-Dist", [])
    assert [line for line in requirements if "extra ==" not in line] == []
    of_host = " ".join(line for line in requirements if line.endswith('extra == "host"'))
    for name in ("aiohappyeyeballs", "uvloop", "vsocks[serial]"):
        assert name in of_host
    of_serial = [line for line in requirements if line.endswith('extra == "serial"')]
    assert [line.partition(">")[0] for line in of_serial] == ["pyserial-asyncio"]


def test_it_says_what_it_is_and_names_no_address(wheel: Path) -> None:
    told = metadata(wheel)
    assert told["Version"] == vsocks.__version__
    assert told["License-Expression"] == "Unlicense"
    assert "Operating System :: POSIX :: Linux" in told.get_all("Classifier", [])
    assert told["Home-page"] is None
    assert told.get_all("Project-URL") is None


def test_its_documents_find_each_other(installed: Path) -> None:
    folder = installed / "share" / "doc" / "vsocks"
    documents = list(folder.rglob("*.md"))
    assert {"README.md", "CHANGELOG.md", "protocol.md"} <= {path.name for path in documents}
    for name in re.findall(r"\(docs/[\w-]+\.md", (folder / "README.md").read_text()):
        assert (folder / name[1:]).is_file(), name


def test_every_command_has_a_page_of_the_manual(installed: Path) -> None:
    pages = installed / "share" / "man" / "man1"
    assert ".SH SEE ALSO" in (pages / "vsocks.1").read_text()
    for command in ("guest", "host", "decode", "system-proxy"):
        page = (pages / f"vsocks-{command}.1").read_text()
        assert page.startswith(
            f'.TH VSOCKS\\-{command.upper()} "1"'.replace("SYSTEM-", r"SYSTEM\-")
        )
    assert r"\fB\-\-allow\fR \fI\,RULE" in (pages / "vsocks-host.1").read_text()


def test_bash_completes_commands_and_options(installed: Path) -> None:
    script = installed / "share" / "bash-completion" / "completions" / "vsocks"
    for words, wanted in {"vsocks ho": "host", "vsocks guest --lis": "--listen"}.items():
        number = words.count(" ")
        told = succeed(
            "bash",
            "-c",
            f"source {script}; COMP_WORDS=({words}); COMP_CWORD={number}; COMP_LINE='{words}'; "
            "_shtab_vsocks; echo ${COMPREPLY[@]}",
        )
        assert wanted in told.split()


def test_the_program_runs_with_nothing_else_installed(installed: Path) -> None:
    program = installed / "bin" / "vsocks"
    assert succeed(program, "--version") == f"vsocks {vsocks.__version__}\n"
    assert "--listen" in succeed(program, "guest", "--help")


def test_a_host_without_its_packages_is_told_what_to_install(installed: Path) -> None:
    command = (installed / "bin" / "vsocks", "host", "--channel", "unix:/nowhere")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert "pip install" in done.stderr


def test_two_builds_are_the_same_to_the_byte(wheel: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == wheel.read_bytes()
