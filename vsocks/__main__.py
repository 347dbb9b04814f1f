"""``python -m vsocks``."""

from vsocks.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
