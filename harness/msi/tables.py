"""What wixl 0.101 leaves out: actions that undo, an upgrade of a version by itself, wildcards.

And what it takes from the clock and by chance: the times and the identity in the package's summary.
Two packages of one commit are the same to the byte.
"""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

UNDOING = 18 | 0x400 | 0x100 | 0x800 | 0x040
"""The type of such a custom action: the package's own .exe (msidbCustomActionTypeExe | SourceFile),
InScript | Rollback | NoImpersonate | Continue."""
WITHIN = 0x001 | 0x100 | 0x200
"""msidbUpgradeAttributesMigrateFeatures | VersionMinInclusive | VersionMaxInclusive."""
ON_UNINSTALL = 2
"""msidbRemoveFileInstallModeOnRemove."""

SUMMARY = bytes.fromhex("e0859ff2f94f6810ab9108002b27b3d9")
"""FMTID_SummaryInformation, as it stands in a file."""
HEADER_SIZE = 28
"""Of a property set; then the FMTID comes, and where its section begins."""
IDENTITY, CREATED, SAVED = 9, 12, 13
"""PIDSI_REVNUMBER, PIDSI_CREATE_DTM, PIDSI_LASTSAVE_DTM."""
TYPED, COUNTED = 4, 8
"""Bytes before the value of a property: its type; of a text, its length besides."""
FROM_1601_TO_1970 = 11_644_473_600


def complete(msi: Path) -> None:
    """Add what wixl has left out of the source."""
    for name in (row[0] for row in _rows(msi, "CustomAction") if row[0].startswith("Undo")):
        _query(msi, f"UPDATE CustomAction SET Type = {UNDOING} WHERE Action = '{name}'")
    # A build may replace another one of its own version.
    [older] = [row for row in _rows(msi, "Upgrade") if row[-1] == "OLDER"]
    _query(msi, "DELETE FROM `Upgrade` WHERE ActionProperty = 'OLDER'")
    _query(
        msi,
        "INSERT INTO `Upgrade` (UpgradeCode, VersionMin, VersionMax, Attributes, ActionProperty) "
        f"VALUES ('{older[0]}', '{older[1]}', '{older[2]}', {WITHIN}, 'OLDER')",
    )
    # What is found with the rights of who starts it must reach what runs as SYSTEM.
    secure = "SecureCustomProperties"
    [(_, found)] = [row for row in _rows(msi, "Property") if row[0] == secure]
    _query(msi, f"UPDATE Property SET Value = '{found};EARLIER_START' WHERE Property = '{secure}'")
    for folder in ("ProgramFolder", "Libraries"):
        _query(
            msi,
            "INSERT INTO RemoveFile (FileKey, Component_, FileName, DirProperty, InstallMode) "
            f"VALUES ('All{folder}', 'Program', '*', '{folder}', {ON_UNINSTALL})",
        )


def settle_summary(msi: Path, identity: str, when: int) -> None:
    """Put the package's identity, a GUID, and its time in seconds since 1970 in place of wixl's."""
    content = bytearray(msi.read_bytes())
    begin = content.index(SUMMARY) - HEADER_SIZE
    (section,) = struct.unpack_from("<I", content, begin + HEADER_SIZE + len(SUMMARY))
    section += begin
    (count,) = struct.unpack_from("<I", content, section + 4)
    places = dict(struct.iter_unpack("<II", content[section + 8 : section + 8 + 8 * count]))
    filetime = struct.pack("<Q", (when + FROM_1601_TO_1970) * 10_000_000)
    for number, before, value in (
        (IDENTITY, COUNTED, f"{{{identity}}}".encode()),
        (CREATED, TYPED, filetime),
        (SAVED, TYPED, filetime),
    ):
        at = section + places[number] + before
        content[at : at + len(value)] = value
    msi.write_bytes(content)


def _rows(msi: Path, table: str) -> list[list[str]]:
    lines = _run("msiinfo", "export", str(msi), table).splitlines()
    # The columns' names, their types, and what the keys are.
    return [line.split("\t") for line in lines[3:]]


def _query(msi: Path, query: str) -> None:
    _run("msibuild", str(msi), "-q", query)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
