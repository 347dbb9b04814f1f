"""Why the Windows program can't be built."""


class BuildError(Exception):
    """The text is for who builds it: what is wrong, and what to do where that is known."""
