"""`make deb`: build the packages and have lintian look at them. `check`: try them in a chroot."""

from __future__ import annotations

import sys

from ..places import ROOT
from ..progress import say, step
from .build import DebError, build_debs, lint
from .chroot import try_in_chroot


def main(words: list[str]) -> int:
    """The exit status."""
    try:
        with step("building the Debian packages"):
            packages = build_debs(ROOT / "dist")
        print(lint(packages), end="")
        for path in packages:
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.2f} MB")
        if words[:1] == ["check"]:
            suite = words[1] if len(words) > 1 else "bookworm"
            with step(f"installing them in a fresh {suite}, and running them there"):
                print(try_in_chroot(packages, suite), end="")
    except DebError as error:
        say(f"make deb: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
