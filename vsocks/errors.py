"""The errors of vsocks: all that it raises itself, and how any error is told to people.

VsocksError
├── UsageError                 what the user asked for makes no sense; the text says what would
│   ├── RuleError              ... in a rule of the policy (policy/rules.py)
│   ├── UserError              ... in a name and its password (proxy/users.py)
│   ├── ControlError           ... in a line of the control socket (control/lines.py)
│   └── ConfigError            ... in a configuration file (cli/config_file.py)
├── UnavailableError           something isn't there, or is taken: it may work later
│   ├── ChannelError           ... the channel, which can't be opened, or failed
│   └── RefusedError           ... because QEMU has refused a command (host/qemu_devices.py)
├── ForbiddenError             the system doesn't let us
├── BusyError                  a bounded resource is all taken, or no session stands
├── NotSupportedError          the peer can't do that: an older version, or the original wire
├── SessionLostError           the session is over, the daemon isn't
│   ├── GoodbyeError           ... because the peer ends
│   └── ProtocolError          ... because the peer sent what the protocol forbids
│       ├── PeerSpeaksVsocksError  ... which was vsocks's own wire (protocol/original.py)
│       └── NoPeerError        ... which was another protocol (protocol/original.py)
├── AddressError               bytes that are no address, of an unknown type (address.py)
│   └── BadAddressError        ... of a known type (address.py)
├── HttpError                  an HTTP message that can't go on its way (http1/errors.py)
├── TargetError                a client's target can't be had: a reply and a reason (reply.py)
│   ├── DialError              ... no connection to it (reply.py)
│   └── LookUpError            ... no answer about it (host/lookup.py)
├── ServiceError               the service manager refused (windows/manager.py)
├── InstallError               the program can't be installed (windows/installed.py)
└── ProxyError                 the system's proxy settings can't be had (windows/proxy_backup.py)
    └── DeniedError            ... for want of rights (windows/proxy_backup.py)

Those of one module's own are defined there, all others here. An AddressError is a ValueError too,
like all else that says that bytes mean nothing.
"""

import errno
import os
import sys


class VsocksError(Exception):
    """Anything that vsocks raises itself. The text is one line for a person."""


class UsageError(VsocksError):
    """A bad option or argument."""


class UnavailableError(VsocksError):
    """Something isn't there, or is taken: the same may work later."""


class ForbiddenError(VsocksError):
    """The system doesn't let us."""


class ChannelError(UnavailableError):
    """The channel can't be opened, or failed."""


class BusyError(VsocksError):
    """A bounded resource, such as the streams, is all taken, or no session stands."""


class NotSupportedError(VsocksError):
    """The peer can't do that: it is an older version, or speaks the original wire."""


class SessionLostError(VsocksError):
    """The session is over; the text says why."""


class GoodbyeError(SessionLostError):
    """The peer has said that it ends."""


class ProtocolError(SessionLostError):
    """The peer sent what the protocol forbids."""


def printable(text: str, mark: str = "?") -> str:
    """``text`` with ``mark`` for each character that a terminal might obey."""
    return "".join(c if c.isprintable() else mark for c in text)


def describe(error: BaseException) -> str:
    """An error in words, one line, for a log or a person: the one way to make them.

    Of an OSError it is what went wrong, without number and file: name those beside it.
    """
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the address is in use"
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, OSError) and error.errno is not None and sys.platform != "win32":
        # asyncio's own text of a failed connect says only that it did.
        known = os.strerror(error.errno)
        text = known if text.startswith(("Connect call failed", "[Errno")) else text
        # What socket.create_server() adds is for programmers.
        text = text.partition(" (while attempting to bind")[0]
    words = printable(text, " ").strip()
    if not words and isinstance(error, TimeoutError):
        # asyncio.timeout() says nothing.
        return "no answer in time"
    return words or type(error).__name__
