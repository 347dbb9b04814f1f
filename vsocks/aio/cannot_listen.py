"""Why an address can't be listened on, in words."""

from __future__ import annotations

import errno
import socket
import sys

from vsocks.errors import ForbiddenError, UnavailableError, VsocksError, describe


def cannot_listen(where: str, error: OSError | OverflowError, what: str = "listen") -> VsocksError:
    """What to raise when listening on ``where`` has failed so."""
    number = error.errno if isinstance(error, OSError) else None
    reason = describe(error)
    if isinstance(error, socket.gaierror):
        reason = f"the name has no address here ({reason})"
    elif number == errno.EADDRNOTAVAIL:
        reason = "it is no address of this machine"
    elif number in {errno.EACCES, errno.EPERM}:
        if sys.platform == "win32":
            reason = "another program has taken or reserved the port"
        else:
            reason = "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        return ForbiddenError(f"can't {what} on {where}: {reason}")
    return UnavailableError(f"can't {what} on {where}: {reason}")
