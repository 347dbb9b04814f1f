"""Compiled Python for a guest: here it takes a moment, in a guest that is emulated seconds."""

from __future__ import annotations

import io
import marshal
import zipfile
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER, source_hash

UNCHECKED = 0b01
"""It counts whatever times the files get on their way (https://peps.python.org/pep-0552/)."""


def compiled_zip(files: Mapping[str, bytes], path: str) -> bytes:
    """A zip of sources, and of them compiled, which Python imports from; it will lie at `path`.

    Another version of Python than ours takes the sources.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as target:
        for name, source in files.items():
            code = marshal.dumps(compile(source, f"{path}/{name}", "exec", dont_inherit=True))
            header = MAGIC_NUMBER + UNCHECKED.to_bytes(4, "little") + source_hash(source)
            target.writestr(f"{name}c", header + code)
            target.writestr(name, source)  # for who reads a traceback
    return packed.getvalue()
