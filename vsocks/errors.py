"""The errors of vsocks.

VsocksError
├── UsageError          what the user asked for makes no sense; the text says what would
├── ChannelError        the channel can't be opened, or failed
├── BusyError           a fixed resource is all taken, or no session stands
├── NotSupportedError   the peer can't do that: an older version, or the original wire
└── SessionLostError    the session is over, the daemon isn't
    └── ProtocolError   ... because the peer sent what the protocol forbids
"""


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


class ProtocolError(SessionLostError):
    """The peer sent what the protocol forbids."""
