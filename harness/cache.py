"""What is expensive to make is made once: directories named after what they were made from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .places import IN_REPOSITORY, ROOT
from .progress import step


def cache_folder() -> Path:
    """Where everything is kept: $VSOCKS_CACHE, else as of `default_folder`."""
    folder = Path(os.environ.get("VSOCKS_CACHE") or default_folder()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def default_folder(*, in_repository: bool = IN_REPOSITORY) -> Path:
    """`.cache` in the repository (git ignores it); a folder of the user's for what is installed.

    The latter as https://specifications.freedesktop.org/basedir-spec/ has it: a relative
    $XDG_CACHE_HOME counts for nothing.
    """
    if in_repository:
        return ROOT / ".cache"
    of_user = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (of_user if of_user.is_absolute() else Path.home() / ".cache") / "vsocks"


def hash_of_tree(folder: Path) -> str:
    """A short hash of the names, modes and contents of all files under `folder`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        executable = bool(path.stat().st_mode & 0o100)
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder)} {executable} {content}\n".encode())
    return digest.hexdigest()[:16]


def made(target: Path, make: Callable[[Path], None]) -> Path:
    """`target`, a folder, made by `make(empty folder)` unless it exists.

    Whole or not at all: it is made under another name and renamed at the end. Of several processes
    that want it at once, one makes it and the others wait. Its time is that of the last call.
    """
    if target.is_dir():
        os.utime(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.with_name(f"{target.name}.lock")):
        if not target.is_dir():
            unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
            try:
                make(unfinished)
                unfinished.rename(target)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
    return target


@contextmanager
def locked_unused(target: Path) -> Iterator[bool]:
    """Whether nobody is making `target` now; for the length of the block nobody begins to."""
    with target.with_name(f"{target.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with step(f"another process is making {path.stem}: waiting for it"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
