"""A directory for the files and logs of one run of some processes."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ARTIFACTS = Path("tests/artifacts/bench")


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A new directory that is gone afterwards; after an error it is moved to ARTIFACTS."""
    directory = Path(tempfile.mkdtemp(prefix="vsocks-bench-"))
    try:
        yield directory
    except BaseException as error:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        error.add_note(f"(logs in {shutil.move(directory, ARTIFACTS)})")
        raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)
