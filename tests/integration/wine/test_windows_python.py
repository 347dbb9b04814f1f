"""The Python that the program is built on: who made it, and one that the user gives."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.exe.python import UNLISTED, VERSION, programs_python, windows_python
from harness.exe.signatures import SignatureError, check_signatures, not_in_catalogue
from harness.exe.supplied_python import PythonFileError
from harness.exe.wine import Wine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RUNS = "import asyncio, ctypes, socket, sys, unicodedata; print(sys.version.split()[0])"


@pytest.fixture(scope="module")
def whole(shared_wine: Wine) -> Path:
    """The pinned one."""
    return windows_python()


def test_its_library_is_the_one_that_a_signed_catalogue_lists(whole: Path, tmp_path: Path) -> None:
    library = whole / "Lib"
    assert {path.relative_to(library) for path in not_in_catalogue(whole)} == UNLISTED
    changed = tmp_path / "Lib" / "os.py"
    changed.parent.mkdir()
    shutil.copy(whole / "DLLs" / "python_lib.cat", tmp_path)
    changed.write_bytes((library / "os.py").read_bytes())
    assert not_in_catalogue(tmp_path) == []
    changed.write_bytes(changed.read_bytes() + b"\n")
    assert not_in_catalogue(tmp_path) == [changed]


@pytest.mark.parametrize("name", ["python.exe", "vcruntime140.dll"])
def test_a_changed_program_is_refused(whole: Path, tmp_path: Path, name: str) -> None:
    copied = tmp_path / name
    shutil.copy(whole / name, copied)
    check_signatures(tmp_path)
    content = bytearray(copied.read_bytes())
    content[len(content) // 2] ^= 1
    copied.write_bytes(content)
    with pytest.raises(SignatureError, match=f"{name} is not as .* signed it"):
        check_signatures(tmp_path)


def test_another_makers_program_is_refused(whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / "vcruntime140.dll", tmp_path / "python3.dll")
    with pytest.raises(SignatureError, match="not as CN=Python Software Foundation signed it"):
        check_signatures(tmp_path)


def nuget(whole: Path, target: Path) -> Path:
    """As python.org's package is laid out."""
    with zipfile.ZipFile(target / "python.3.12.9.nupkg", "w") as archive:
        for path in sorted(whole.rglob("*")):
            archive.write(path, Path("tools", path.relative_to(whole)))
        return Path(str(archive.filename))


def embeddable(whole: Path, target: Path) -> Path:
    """As python.org's zip is laid out, but that the library in it isn't compiled."""
    library, name = whole / "Lib", "python312.zip"
    with zipfile.ZipFile(target / name, "w") as archive:
        for path in sorted(library.rglob("*.py")):
            archive.write(path, path.relative_to(library))
    with zipfile.ZipFile(target / "python-3.12.9-embed-amd64.zip", "w") as archive:
        archive.write(target / name, name)
        archive.writestr("python312._pth", f"{name}\n.\n")
        for path in [*whole.glob("*.exe"), *whole.glob("*.dll"), *whole.glob("DLLs/*.*")]:
            archive.write(path, path.name)
        return Path(str(archive.filename))


@pytest.mark.parametrize("form", [nuget, embeddable])
def test_one_that_the_user_gives(
    shared_wine: Wine,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: Callable[[Path, Path], Path],
) -> None:
    file = form(whole, tmp_path)
    monkeypatch.setenv("WINDOWS_PYTHON", str(file))
    monkeypatch.setenv("VSOCKS_CACHE", str(tmp_path / "cache"))
    python = programs_python()
    assert (python.version, python.bits, python.minor) == (VERSION, 64, "3.12")
    assert str(python) == f"Python {VERSION}, 64-bit, from {file.name}, sha256 {python.sha256}"
    printed = shared_wine.run(python.folder / "python.exe", "-B", "-c", RUNS)
    assert printed.strip() == VERSION


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINDOWS_PYTHON", "/nowhere/python.zip")
    with pytest.raises(PythonFileError, match=r"/nowhere/python.zip: No such file"):
        programs_python()
