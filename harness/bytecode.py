"""Compiled Python for a guest: here it takes a moment, in a guest that is emulated seconds."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

UNCHECKED = 0b01
"""It counts whatever times the files get on their way (https://peps.python.org/pep-0552/)."""


def compiled(files: Mapping[str, bytes], folder: str) -> dict[str, bytes]:
    """What Python keeps in `__pycache__` for these sources, which go into `folder`, by name.

    Another version of Python than ours looks for other names, and finds nothing.
    """
    found = {}
    for name, source in files.items():
        code = marshal.dumps(compile(source, f"{folder}/{name}", "exec", dont_inherit=True))
        header = MAGIC_NUMBER + UNCHECKED.to_bytes(4, "little") + source_hash(source)
        found[cache_from_source(name)] = header + code
    return found
