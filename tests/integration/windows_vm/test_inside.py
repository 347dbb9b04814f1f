"""Our programs in the guest, as far as they are the same on every system."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from harness.windows.inside import boot, provision, tell
from tests.integration.windows_vm.sshd import free_port, sshd

pytestmark = pytest.mark.integration

HERE = Path(provision.__file__).parent.parent
INSIDE = "inside"


def inside(name: str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-u", "-m", f"{INSIDE}.{name}", *arguments]
    return subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE)


def output(name: str, *arguments: str) -> str:
    with inside(name, *arguments) as process:
        assert process.stdout
        return process.stdout.read().decode()


def test_a_log_is_followed_until_its_process_ends(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "it.log"
    script = "import time; print('one', flush=True); time.sleep(1); print('two')"
    pid = output("launch", str(log), sys.executable, "-c", script).strip()
    with inside("follow", str(log), pid) as follower:
        assert follower.stdout
        assert follower.stdout.readline() == b"one\n"
        assert (
            subprocess.run(
                [sys.executable, "-m", f"{INSIDE}.running", pid], cwd=HERE, check=False
            ).returncode
            == 0
        )
        assert follower.stdout.read() == b"two\n"
    assert follower.returncode == 0
    with inside("running", pid) as check:
        assert check.wait(10) == 1


def test_what_was_launched_holds_no_pipe_of_ours(tmp_path: Path) -> None:
    began = time.monotonic()
    pid = output(
        "launch", str(tmp_path / "log"), sys.executable, "-c", "import time; time.sleep(20)"
    )
    assert time.monotonic() - began < 15
    os.kill(int(pid), 9)


def test_arguments_reach_the_launched_program(tmp_path: Path) -> None:
    odd = ["two words", 'quo"te', ""]
    log = tmp_path / "log"
    script = "import sys; print(sys.argv[1:])"
    pid = output("launch", str(log), sys.executable, "-c", script, *odd).strip()
    assert output("follow", str(log), pid).strip() == str(odd)


def test_an_archive_is_unpacked_and_gone(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("sub/file")
        entry.size = 3
        tar.addfile(entry, io.BytesIO(b"abc"))
    output("unpack", str(archive), str(tmp_path / "target" / "deep"))
    assert (tmp_path / "target" / "deep" / "sub" / "file").read_bytes() == b"abc"
    assert not archive.exists()


def test_a_module_is_found_in_an_uploaded_folder(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "module.py").write_text(
        "import sys\nif __name__ == '__main__':\n    print(sys.argv[1:])\n"
    )
    runner = HERE / INSIDE / "run_module.py"
    command = [sys.executable, str(runner), str(tmp_path), "package.module", "a", "b c"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"['a', 'b c']\n"


def test_sshd_is_waited_for_until_it_greets(tmp_path: Path) -> None:
    assert not boot.sshd_answers(free_port())
    with sshd(tmp_path) as server:
        assert boot.sshd_answers(server.access.port)


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "console"
    path.touch()
    monkeypatch.setattr(tell, "CONSOLE", str(path))
    return path


def test_what_commands_print_goes_to_the_console(console: Path) -> None:
    good = (sys.executable, "-c", "print('hello'); print(); print('w\\u00f6rld')")
    provision.perform(provision.Step("greeting", (good,)))
    told = console.read_bytes().decode("ascii").splitlines()
    assert told[0] == "vsocks: | hello"
    assert told[1].startswith("vsocks: | w")
    assert told[2:] == ["vsocks: reached greeting"]


def test_a_step_that_fails_is_not_reached(console: Path) -> None:
    bad = (sys.executable, "-c", "import sys; print('why'); sys.exit(5)")
    never = (sys.executable, "-c", "print('never')")
    with pytest.raises(provision.ProvisionError, match="ended with status 5"):
        provision.perform(provision.Step("it", (bad, never)))
    assert console.read_text() == "vsocks: | why\n"
    provision.perform(provision.Step("it", (bad,), frozenset({0, 5})))
    assert "reached it" in console.read_text()


def test_a_port_that_does_not_come_is_told(console: Path, tmp_path: Path) -> None:
    with pytest.raises(provision.ProvisionError, match="does not open"):
        provision.wait_for_port(str(tmp_path / "none"), seconds=0)
    (tmp_path / "port").touch()
    provision.wait_for_port(str(tmp_path / "port"), seconds=0)
    assert "reached port" in console.read_text()


def test_a_key_is_added_to_those_of_an_account(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("ssh-ed25519 AAAA ours\n")
    provision.authorize(keys, tmp_path)
    file = tmp_path / ".ssh" / "authorized_keys"
    assert file.read_text() == "ssh-ed25519 AAAA ours\n"
    file.write_text("ssh-rsa BBBB theirs")
    provision.authorize(keys, tmp_path)
    assert file.read_text() == "ssh-rsa BBBB theirs\nssh-ed25519 AAAA ours\n"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"openssh": "built-in", "activate": False, "driver": False, "account": "vagrant"}, False),
        ({"openssh": "zip", "activate": False, "driver": True, "account": ""}, True),
    ],
)
def test_what_is_done_follows_the_disc_s_settings(
    settings: dict[str, object], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: dict[str, object] = {}
    monkeypatch.setattr(provision, "provision", lambda disc, **options: called.update(options))
    monkeypatch.setattr(provision, "tell", lambda _text: None)
    monkeypatch.setattr(subprocess, "run", lambda *_arguments, **_options: None)
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    assert provision.main([str(tmp_path / "settings.json")]) == 0
    assert called == {
        "built_in": settings["openssh"] == "built-in",
        "activate": False,
        "install_driver": expected,
        "account": settings["account"],
    }
