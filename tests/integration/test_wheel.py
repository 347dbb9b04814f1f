"""The wheel: what is in it, what it pulls, and that it runs where nothing else is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

import vsocks
from harness.cache import hash_of_tree
from tests.integration.support.wheel import build, succeed

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).parents[2]


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


def test_the_harness_is_in_it_under_a_name_of_its_own(installed: Path) -> None:
    """With the recipes of its images, which are the same to each bit of their modes."""
    [site_packages] = installed.glob("lib/python*/site-packages")
    assert not (site_packages / "harness").exists()
    assert not (site_packages / "vm").exists()
    recipes = site_packages / "vsocks_harness" / "vm"
    assert hash_of_tree(recipes) == hash_of_tree(REPOSITORY / "vm")
    look = "from vsocks_harness.places import PROGRAM, RECIPES; print(PROGRAM, RECIPES)"
    program = site_packages / "vsocks"
    assert succeed(installed / "bin" / "python", "-c", look) == f"{program} {recipes}\n"


def test_the_installed_harness_keeps_images_in_the_users_cache(
    installed: Path, tmp_path: Path
) -> None:
    look = "from vsocks_harness.cache import cache_folder; print(cache_folder())"
    command = (installed / "bin" / "python", "-c", look)
    of_user = str(tmp_path / "cache")
    assert succeed(*command, XDG_CACHE_HOME=of_user, VSOCKS_CACHE="") == f"{of_user}/vsocks\n"


def test_what_the_harness_needs_comes_by_its_extra(wheel: Path) -> None:
    requirements = metadata(wheel).get_all("Requires-Dist", [])
    of_harness = [line for line in requirements if line.endswith('extra == "harness"')]
    for name in ("paramiko", "vsocks[host,qemu]"):
        assert any(line.startswith(name) for line in of_harness)


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
