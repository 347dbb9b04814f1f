"""The MSI as msitools read it: what Windows Installer is told to do. Installing it: wine/."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.msi import package as made
from harness.msi.package import PackageError, package
from vsocks import __version__
from vsocks.cli.arguments import Parser
from vsocks.cli.guest_options import add_guest_options

FILES = {"vsocks-guest.exe": b"a program", "_internal/python.dll": b"a library"}
IN_SCRIPT, ROLLBACK, NOT_AS_THE_USER, GOES_ON = 0x400, 0x100, 0x800, 0x040
SETS_A_PROPERTY = 51

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("wixl"), reason="there is no wixl (package wixl)"),
]


@pytest.fixture(scope="module")
def msi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(FILES, tmp_path_factory.mktemp("msi") / "a.msi")


def rows(msi: Path, table: str) -> list[list[str]]:
    return [line.split("\t") for line in told_by("export", msi, table).splitlines()[3:]]


def told_by(command: str, msi: Path, *words: str) -> str:
    return subprocess.run(
        ["msiinfo", command, str(msi), *words], check=True, capture_output=True, text=True
    ).stdout


def properties(msi: Path) -> dict[str, str]:
    return {name: value for name, value, *_ in rows(msi, "Property")}


def test_what_the_product_is(msi: Path) -> None:
    found = properties(msi)
    assert found["ProductVersion"] == __version__
    assert found["UpgradeCode"] == "{BD53BF29-86CA-4672-98B0-8E5D62AA67A0}"
    assert (found["ALLUSERS"], found["ARPNOMODIFY"]) == ("1", "1")
    assert "x64;1033" in told_by("suminfo", msi)
    assert {row[2] for row in rows(msi, "File")} == {"vsocks-guest.exe", "python.dll"}
    assert len(rows(msi, "MsiFileHash")) == 2


def test_nobody_but_who_may_install_chooses_what_runs_as_the_system(msi: Path) -> None:
    """A user can have a package repaired, with secure properties of his own."""
    found = properties(msi)
    assert found["SecureCustomProperties"] == "OLDER;NEWER;EARLIER_START"
    # The names of folders that can be chosen have no small letters.
    assert [row[0] for row in rows(msi, "Directory") if row[0].isupper()] == ["TARGETDIR"]
    assert ["Libraries", "ProgramFolder", "_internal"] in rows(msi, "Directory")


def test_what_runs_and_what_undoes_it(msi: Path) -> None:
    kinds = {row[0]: (int(row[1]), row[3]) for row in rows(msi, "CustomAction")}
    for name, (kind, command) in kinds.items():
        if kind == SETS_A_PROPERTY:
            continue
        assert command.startswith("service ")
        assert kind & IN_SCRIPT
        assert kind & NOT_AS_THE_USER
        assert bool(kind & ROLLBACK) == name.startswith("Undo")
        # All is undone if the service can't be what it is asked to be. To leave is never refused.
        assert bool(kind & GOES_ON) == (name not in {"Register", "Start"})
    at = {row[0]: int(row[2]) for row in rows(msi, "InstallExecuteSequence")}
    assert at["InstallInitialize"] < at["RemoveExistingProducts"] < at["ProcessComponents"]
    assert at["Stop"] < at["Unregister"] < at["StopServices"] < at["RemoveFiles"]
    assert at["InstallFiles"] < at["Register"] < at["Start"] < at["InstallFinalize"]
    for undo, done in (
        ("UndoStop", "Stop"),
        ("UndoUnregister", "Unregister"),
        ("UndoRegister", "Register"),
        ("UndoStart", "Start"),
    ):
        assert at[undo] < at[done]


def test_each_property_is_an_option_of_the_daemon(msi: Path) -> None:
    parser = Parser()
    add_guest_options(parser)
    known = {word for option in parser.options for word in option.option_strings}
    commands = {row[0]: row[3] for row in rows(msi, "CustomAction") if row[0].startswith("Take")}
    told = {
        name: re.fullmatch(r'\[Words\] (--[a-z-]+) "\[([A-Z_]+)\]"', command)
        for name, command in commands.items()
        if name != "TakeOptions"
    }
    assert len(told) == 5
    for match in told.values():
        assert match
        assert match[1] in known
        assert match[1].removeprefix("--").replace("-", "_").upper() == match[2]


def test_an_older_build_of_the_same_version_is_replaced(msi: Path) -> None:
    bounds = {row[6]: (row[1], row[2], int(row[4])) for row in rows(msi, "Upgrade")}
    assert bounds["OLDER"] == ("0.0.0", __version__, 0x301)
    assert bounds["NEWER"] == (__version__, "", 0x002)


def test_nothing_is_left_in_its_folders(msi: Path) -> None:
    cleared = [row[3] for row in rows(msi, "RemoveFile") if row[2] == "*"]
    assert sorted(cleared) == ["Libraries", "ProgramFolder"]


def test_two_packages_are_the_same_to_the_byte(msi: Path, tmp_path: Path) -> None:
    assert package(FILES, tmp_path / "b.msi").read_bytes() == msi.read_bytes()


def test_another_build_is_another_product_of_the_same_kind(msi: Path, tmp_path: Path) -> None:
    other = package(FILES | {"vsocks-guest.exe": b"another"}, tmp_path / "b.msi", "99.1.2")
    here, there = properties(msi), properties(other)
    assert there["ProductVersion"] == "99.1.2"
    assert here["UpgradeCode"] == there["UpgradeCode"]
    assert here["ProductCode"] != there["ProductCode"]
    identity = re.compile(r"UUID\): (\{.*\})")
    found = [identity.findall(told_by("suminfo", path)) for path in (msi, other)]
    assert len(found[0]) == 1
    assert found[0] != found[1]


def test_what_wixl_does_not_know_is_no_warning_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "spoilt.wxs"
    source.write_text(made.SOURCE.read_text().replace("<Media ", '<Media Nonsense="1" '))
    monkeypatch.setattr(made, "SOURCE", source)
    with pytest.raises(PackageError, match="no property named 'Nonsense'"):
        package(FILES, tmp_path / "c.msi")
