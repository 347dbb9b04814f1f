"""The archive at the end of a program that PyInstaller has made in one file.

Its form is that of CArchiveWriter (PyInstaller/archive/writers.py): the entries' data, the table of
contents, and a cookie, which the program looks for from its own end. All numbers are big-endian.
"""

from __future__ import annotations

import struct
import zlib

MAGIC = b"MEI\014\013\012\013\016"
COOKIE = struct.Struct("!8sIIII64s")
"""The magic; the archive's length; where in it the table is, and how long; Python."""
ENTRY = struct.Struct("!IIIIBc")
"""Length of the entry in the table; where its data is, how long it is there and unpacked; whether
it is compressed; its kind. The name follows, and zeros."""


class ArchiveError(Exception):
    """The program is not as PyInstaller makes it."""


def with_file(program: bytes, name: str, content: bytes) -> bytes:
    r"""The same program with another content of a file in it, `folder\name`.

    Raises ArchiveError if it has no such file. The checksum in the program's head is not renewed.
    """
    at = program.rfind(MAGIC)
    if at < 0:
        raise ArchiveError("the program has no archive of PyInstaller's")
    _, length, table_at, table_length, *rest = COOKIE.unpack_from(program, at)
    archive = memoryview(program)[at + COOKIE.size - length : at]
    data, table, replaced = bytearray(), bytearray(), False
    position = table_at
    while position < table_at + table_length:
        entry, where, packed, unpacked, compressed, kind = ENTRY.unpack_from(archive, position)
        title = bytes(archive[position + ENTRY.size : position + entry])
        body = bytes(archive[where : where + packed])
        if title.rstrip(b"\0").decode() == name:
            unpacked, replaced = len(content), True
            body = zlib.compress(content, 9) if compressed else content
        table += ENTRY.pack(entry, len(data), len(body), unpacked, compressed, kind) + title
        data += body
        position += entry
    if not replaced:
        raise ArchiveError(f"the program has no file {name} in it")
    total = len(data) + len(table) + COOKIE.size
    cookie = COOKIE.pack(MAGIC, total, len(data), len(table), *rest)
    return bytes(program[: at + COOKIE.size - length] + data + table + cookie)
