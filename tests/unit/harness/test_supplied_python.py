"""What is taken for a Python for Windows, and what isn't, by files that only look like one."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.exe.signatures import signed_content
from harness.exe.supplied_python import PythonFileError, lay_out, version_and_bits

pytestmark = pytest.mark.unit

AMD64, WIN32, ARM64 = 0x8664, 0x14C, 0xAA64


def library(machine: int = AMD64, version: tuple[int, int, int] = (3, 12, 9)) -> bytes:
    """As much of python312.dll as is looked at."""
    major, minor, micro = version
    header = b"MZ".ljust(0x3C) + struct.pack("<I", 0x80)
    told = struct.pack("<IIHHHH", 0xFEEF04BD, 0x10000, minor, major, 1013, micro * 1000 + 150)
    return header.ljust(0x80) + b"PE\0\0" + struct.pack("<H", machine) + bytes(50) + told


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "python"
    made.mkdir()
    return made


def test_a_nuget_package(tmp_path: Path, folder: Path) -> None:
    files = {"python.exe": b"", "python312.dll": library(), "Lib/os.py": b"", "DLLs/a.pyd": b""}
    whole = {f"tools/{name}": content for name, content in files.items()}
    lay_out(archive(tmp_path / "python.nupkg", whole | {"python.nuspec": b""}), folder)
    assert names(folder) == set(files)


def test_an_embeddable_zip_becomes_an_installation(tmp_path: Path, folder: Path) -> None:
    standard = archive(tmp_path / "python312.zip", {"os.pyc": b"", "json/__init__.pyc": b""})
    files = {
        "python.exe": b"",
        "python3.dll": b"",
        "python312.dll": library(),
        "python312.zip": standard.read_bytes(),
        "python312._pth": b"python312.zip",
        "python.cat": b"",
        "vcruntime140.dll": b"",
        "_ctypes.pyd": b"",
        "libffi-8.dll": b"",
    }
    lay_out(archive(tmp_path / "embed.zip", files), folder)
    assert names(folder) == {
        *("python.exe", "python3.dll", "python312.dll", "vcruntime140.dll"),
        *("DLLs/python.cat", "DLLs/_ctypes.pyd", "DLLs/libffi-8.dll"),
        *("Lib/os.pyc", "Lib/json/__init__.pyc"),
    }


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"setup.exe": b""}, "has no python.exe, and none in a folder tools"),
        ({"python.exe": b""}, "no library python3"),
        ({"python.exe": b"", "python312.dll": library()}, "no standard library"),
        ({"python.exe": b"", "python312.dll": library(ARM64)}, "take a Python for amd64 or win32"),
        ({"python.exe": b"", "python38.dll": library(version=(3, 8, 10))}, "it is Python 3.8"),
    ],
)
def test_what_it_can_not_be_built_on(
    tmp_path: Path, folder: Path, files: Mapping[str, bytes], problem: str
) -> None:
    with pytest.raises(PythonFileError, match=problem):
        lay_out(archive(tmp_path / "some.zip", files), folder)


def test_a_file_that_is_no_archive(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "python.exe").write_bytes(library())
    with pytest.raises(PythonFileError, match=r"neither python\.org's embeddable zip nor"):
        lay_out(tmp_path / "python.exe", folder)


@pytest.mark.parametrize(("machine", "bits"), [(AMD64, 64), (WIN32, 32)])
def test_version_and_word_size(folder: Path, machine: int, bits: int) -> None:
    (folder / "python314.dll").write_bytes(library(machine, (3, 14, 11)))
    assert version_and_bits(folder) == ("3.14.11", bits)


def element(tag: int, *content: bytes) -> bytes:
    """An element of DER, its length in the long form."""
    whole = b"".join(content)
    return bytes([tag, 0x82]) + len(whole).to_bytes(2, "big") + whole


def test_what_a_message_signs() -> None:
    """Not what stands beside it, where no signature covers it."""
    inside = element(0x30, element(6, b"kind"), element(0xA0, element(0x30, b"hashes" * 50)))
    certificates = element(0xA0, b"anything")
    signed = element(0x30, b"\x02\1\1", element(0x31, b""), inside, certificates)
    message = element(0x30, b"\x06\1*", element(0xA0, signed))
    assert signed_content(message) == inside[4:]
