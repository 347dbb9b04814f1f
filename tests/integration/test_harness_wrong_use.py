"""What the harness says to those who can't use it as it is, or where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.__main__ import main
from harness.places import ROOT
from harness.process import HostProcess
from tests.integration.support.small_disk import small_disk
from tests.integration.support.waiting import DEADLINE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

BUILD = """
import sys
from pathlib import Path
from harness.image import debian_image
print(debian_image(Path(sys.argv[1])).folder)
"""
NOBODY = ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
NOT_ROOT = NOBODY if os.geteuid() == 0 else ()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def recipe(folder: Path, script: str) -> Path:
    """A recipe of an image, made of a script alone, which gets the folder as $1."""
    made = folder / "recipe"
    made.mkdir()
    (made / "build").write_text(f"#!/bin/sh\n{script}\n")
    (made / "build").chmod(0o755)
    return made


def environment(cache: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "VSOCKS_CACHE": str(cache), **more}


def python(
    cache: Path, *arguments: str, before: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, sys.executable, *arguments],
        env=environment(cache, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )


def test_without_qemu_it_names_what_to_install(cache: Path, tmp_path: Path) -> None:
    done = python(cache, "-m", "harness", "run", "--", "true", PATH=str(tmp_path))
    assert done.returncode == 125
    assert done.stderr.startswith("harness: error: not installed: qemu-system-x86_64, qemu-img")
    assert "apt-get install qemu-system-x86 qemu-utils" in done.stderr


def test_a_chosen_qemu_that_is_not_there_is_named(cache: Path, tmp_path: Path) -> None:
    chosen = str(tmp_path / "qemu")
    done = python(cache, "-m", "harness", "run", "--", "true", VSOCKS_QEMU=chosen)
    assert done.returncode == 125
    assert done.stderr == f"harness: error: $VSOCKS_QEMU names {chosen}, which can't be run\n"


def test_a_build_that_fails_half_way_says_what_it_said_and_leaves_nothing(
    cache: Path, tmp_path: Path
) -> None:
    script = "echo the last words; echo half > $1/disk.raw; exit 3"
    done = python(cache, "-c", BUILD, str(recipe(tmp_path, script)))
    assert "ended with status 3:\nthe last words" in done.stderr
    assert {path.suffix for path in (cache / "images").iterdir()} == {".lock"}


def test_a_disk_that_is_full_in_the_middle_of_a_build_is_named(cache: Path, tmp_path: Path) -> None:
    done = python(cache, "-c", BUILD, str(recipe(tmp_path, "cp /etc/passwd /dev/full")))
    assert f"The disk was full. {cache}/images has" in done.stderr
    assert "`python -m harness clean` removes old images" in done.stderr


def test_a_disk_with_too_little_room_is_named_before_the_build(tmp_path: Path) -> None:
    with small_disk(tmp_path / "cache") as cache:
        done = python(cache, "-c", BUILD, str(recipe(tmp_path, "exit 1")))
    assert f"to build. {cache}/images has" in done.stderr
    assert "$VSOCKS_CACHE names another folder" in done.stderr
    assert "ended with status" not in done.stderr


def test_of_two_builds_at_once_the_second_says_that_it_waits(cache: Path, tmp_path: Path) -> None:
    built, go_on = tmp_path / "built", tmp_path / "go-on"
    os.mkfifo(go_on)
    script = f"echo building >> {built}; cat {go_on}"
    command = [sys.executable, "-c", BUILD, str(recipe(tmp_path, script))]
    environ = [f"{name}={value}" for name, value in environment(cache).items()]
    with HostProcess("first", ["env", *environ, *command], tmp_path) as first:
        writer = go_on.open("w")  # returns when the first build reads
        with writer, HostProcess("second", ["env", *environ, *command], tmp_path) as second:
            second.log.wait("another process is making debian-", timeout=DEADLINE)
            writer.close()
            image = f"^{cache}/images/debian-"
            folders = {each.log.wait(image, timeout=DEADLINE).text for each in (first, second)}
    assert len(folders) == 1
    assert built.read_text() == "building\n"


def test_a_user_without_root_and_namespaces_is_told_what_is_missing(tmp_path: Path) -> None:
    command = "from harness.image import as_root; print(as_root())"
    if python(tmp_path, "-c", "import harness", before=NOT_ROOT).returncode:
        pytest.skip(f"no other user may read {ROOT}")
    done = python(tmp_path, "-c", command, before=NOT_ROOT, PATH=str(tmp_path))
    assert "unshare isn't installed" in done.stderr
    assert "Install uidmap" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "--put", "nowhere", "--", "true"], "argument --put: 'nowhere' is no file"),
        (["run", "--put", ".", "--", "true"], "argument --put: '.' is no file"),
        (["clean", "--older-than", "soon"], "argument --older-than: 'soon' is no number of days"),
        (["clean", "--older-than", "-1"], "argument --older-than: '-1' is no number of days"),
        (["run"], "the following arguments are required: COMMAND"),
    ],
)
def test_a_command_line_that_cannot_be_meant(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
