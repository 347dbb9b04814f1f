"""The Windows guest's own code against a real OpenSSH server whose shell is Wine's cmd.

Paths, quoting, uploads, background programs and their logs are the real ones. Of sc, certutil,
route, netstat's listeners and sshd's job object Wine has nothing or little: what uses them stays
untried.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.exe.python import windows_python
from harness.exe.wine import Wine, private_wine
from harness.windows.guest import HOME, PYTHON, WindowsGuest
from harness.windows.iso import INSIDE
from tests.integration.windows_vm.sshd import SFTP, sshd

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300, func_only=True),
    pytest.mark.skipif(not shutil.which("wine"), reason="Wine is not installed"),
]

SECONDS = 60
HERE = Path(__file__).parent
# Python in Wine wants a pipe, not the sockets that sshd gives. Errors take the way by a file: in
# Wine a program that goes on in the background keeps the first one's stderr.
SHELL = """#!/bin/bash
case "$SSH_ORIGINAL_COMMAND" in *sftp-server*) exec {sftp} ;; esac
{settings}
file=$(mktemp)
export ERRORS="Z:$file"
wine {python} {script} < /dev/null 2> /dev/null | cat
status=${{PIPESTATUS[0]}}
cat "$file" >&2
rm "$file"
exit $status
"""


@dataclass
class Site:
    """A C: drive of Wine with what provisioning puts there, and a guest that is connected to it."""

    wine: Wine
    guest: WindowsGuest

    @property
    def drive(self) -> Path:
        return self.wine.prefix / "drive_c"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("wine")
    wine = private_wine(folder / "prefix")
    home = wine.prefix / "drive_c" / "vsocks"
    home.mkdir()
    (home / "python").symlink_to(windows_python())
    shutil.copytree(INSIDE, home / "inside")
    # sftp_root: to SFTP the drive is a folder called C:.
    (folder / "C:").symlink_to(wine.prefix / "drive_c")
    shell = folder / "shell"
    ours = {name: value for name, value in wine.environment().items() if name.startswith("WINE")}
    settings = "\n".join(f"export {name}='{value}'" for name, value in ours.items())
    python = windows_python() / "python.exe"
    script = wine.windows_path(HERE / "wine_shell.py").replace("\\", "\\\\")
    shell.write_text(SHELL.format(sftp=SFTP, settings=settings, python=python, script=script))
    shell.chmod(shell.stat().st_mode | stat.S_IXUSR)
    with (
        # A program that lasts: Wine's services start with it, and hold no pipe of another one.
        subprocess.Popen(
            wine.command("cmd"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=wine.environment(),
        ),
        sshd(folder, f"ForceCommand {shell}") as server,
    ):
        guest = WindowsGuest(server.access, sftp_root=str(folder))
        try:
            guest.succeed("ver", timeout=120)
            yield Site(wine, guest)
        finally:
            guest.close()
            wine.stop()


def test_cmd_runs_a_command_and_tells_its_status(site: Site) -> None:
    result = site.guest.run("echo out& echo err>&2& exit 7")
    assert (result.stdout.split(), result.stderr.split(), result.status) == (["out"], ["err"], 7)


def test_arguments_arrive_through_cmd(site: Site) -> None:
    odd = ["two words", 'quo"te', "back\\", "a&b|c<d>e", "(x)", "!y!", "", "100", "^"]
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    printed = site.guest.succeed(site.guest.command_line(PYTHON, "-c", show, *odd))
    assert json.loads(printed) == odd


def test_an_upload_lies_where_windows_looks_for_it(site: Site) -> None:
    data = os.urandom(300_001)
    site.guest.upload({"sub/data": data, "other": b"1"}, site.guest.scratch)
    arrived = (site.drive / "vsocks" / "scratch" / "sub" / "data").read_bytes()
    assert hashlib.sha256(arrived).digest() == hashlib.sha256(data).digest()
    assert not list((site.drive / "vsocks").glob("upload-*"))


def test_a_module_of_an_uploaded_folder_runs(site: Site) -> None:
    code = b"import sys\nprint(sys.platform, sys.argv[1:])\n"
    folder = rf"{site.guest.scratch}\modules"
    site.guest.upload({"package/__init__.py": b"", "package/it.py": code}, folder)
    printed = site.guest.succeed(site.guest.module_command(folder, "package.it", "a b", "c"))
    assert printed.strip() == "win32 ['a b', 'c']"


def test_a_background_program_outlives_the_connection(site: Site) -> None:
    guest = site.guest
    loop = "import time; [print(i, flush=True) or time.sleep(.2) for i in range(1000)]"
    process = guest.start("counter", guest.command_line(PYTHON, "-c", loop))
    process.log.wait(r"^3$", timeout=SECONDS)
    guest.reconnect()
    assert process.is_running()
    process.follow()
    process.log.wait(r"^10$", timeout=SECONDS)
    assert process.full_log().split()[:4] == ["0", "1", "2", "3"]
    process.kill()
    deadline = time.monotonic() + SECONDS
    while process.is_running():
        assert time.monotonic() < deadline
    process.kill()  # gone already: no error


def test_a_stopped_program_says_nothing_more_and_can_be_killed(site: Site) -> None:
    guest = site.guest
    loop = "import time; [print(i, flush=True) or time.sleep(.1) for i in range(1000)]"
    process = guest.start("stopped", guest.command_line(PYTHON, "-c", loop))
    process.log.wait(r"^2$", timeout=SECONDS)
    process.kill("STOP")
    mark = len(process.full_log().split())
    assert mark >= 3
    assert process.is_running()
    assert len(process.full_log().split()) == mark
    process.kill()
    deadline = time.monotonic() + SECONDS
    while process.is_running():
        assert time.monotonic() < deadline


def test_a_signal_that_windows_lacks_is_refused(site: Site) -> None:
    process = site.guest.start("short", site.guest.command_line(PYTHON, "-c", "print('done')"))
    process.log.wait("done", timeout=SECONDS)
    with pytest.raises(ValueError, match="no signal TERM"):
        process.kill("TERM")


def test_a_program_that_ends_ends_its_log(site: Site) -> None:
    process = site.guest.start("failing", site.guest.command_line(PYTHON, "-c", "1/0"))
    process.log.wait("ZeroDivisionError", timeout=SECONDS)
    with pytest.raises(Exception, match="end of file"):
        process.log.wait("never", timeout=SECONDS)


def test_logs_are_collected(site: Site) -> None:
    process = site.guest.start("collected", site.guest.command_line(PYTHON, "-c", "print('it')"))
    process.log.wait("it", timeout=SECONDS)
    assert "it" in site.guest.daemon_logs()
    assert HOME in site.guest.daemon_logs()
