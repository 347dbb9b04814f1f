"""The errors of vsocks.

VsocksError
├── UsageError          what the user asked for makes no sense; the text says what would
├── ChannelError        the channel can't be opened, or failed
├── BusyError           a fixed resource is all taken, or no session stands
├── StreamAbortedError  a stream is over before its time: reset, lost, or silent for too long
├── NotSupportedError   the peer can't do that: an older version, or the original wire
└── SessionLostError    the session is over, the daemon isn't
    └── ProtocolError   ... because the peer sent what the protocol forbids
"""

import errno
import os
import sys


class VsocksError(Exception):
    """Anything that vsocks raises itself. The text is one line for a person."""


class UsageError(VsocksError):
    """A bad option or argument."""


class ChannelError(VsocksError):
    """The channel can't be opened, or failed."""


class BusyError(VsocksError):
    """All streams are taken, or no session stands."""


class NotSupportedError(VsocksError):
    """The peer can't do that: it is an older version, or speaks the original wire."""


class SessionLostError(VsocksError):
    """The session is over; the text says why."""


class StreamAbortedError(VsocksError):
    """A stream is over before its time; the text says why."""


class ProtocolError(SessionLostError):
    """The peer sent what the protocol forbids."""


def describe(error: BaseException) -> str:
    """An error in words, one line, for a log or a person."""
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the port is in use"
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, OSError) and error.errno is not None and sys.platform != "win32":
        # asyncio's own text of a failed connect says only that it did.
        known = os.strerror(error.errno)
        text = known if text.startswith(("Connect call failed", "[Errno")) else text
    words = "".join(c if c.isprintable() else " " for c in text).strip()
    return words or type(error).__name__
