"""``python -m vsocks``, and the start of all other forms of it.

What stands above the check has to be read by any Python 3.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    found = ".".join(str(number) for number in sys.version_info[:3])
    sys.exit(f"vsocks: error: it needs Python 3.11 or newer, and this is {found}")

from vsocks.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
