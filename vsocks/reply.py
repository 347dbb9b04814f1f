"""How a connect ended, as a SOCKS5 reply code (RFC 1928, section 6)."""

import errno
from enum import IntEnum

from vsocks.errors import VsocksError


class Reply(IntEnum):
    """The reply field; every code but SUCCEEDED ends the connection."""

    SUCCEEDED = 0
    GENERAL_FAILURE = 1
    NOT_ALLOWED = 2
    NETWORK_UNREACHABLE = 3
    HOST_UNREACHABLE = 4
    CONNECTION_REFUSED = 5
    TTL_EXPIRED = 6
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_TYPE_NOT_SUPPORTED = 8


_WORDS: dict[int, str] = {
    Reply.NOT_ALLOWED: "the host's policy does not allow it",
    Reply.NETWORK_UNREACHABLE: "the host has no network that leads there",
    Reply.HOST_UNREACHABLE: "there is no such host, or no way to it",
    Reply.CONNECTION_REFUSED: "it refused the connection",
    Reply.TTL_EXPIRED: "it did not answer in time",
}


def words_for(reply: int) -> str:
    """What a refusal means, in words for people."""
    return _WORDS.get(reply, "the host could not connect")


class TargetError(VsocksError):
    """A target can't be reached, or looked up. ``reply`` is for the client, ``reason`` the log.

    The audit is told the rule that denied it, if one has, and the addresses that were judged or
    tried.
    """

    def __init__(
        self, reply: Reply, reason: str, *, rule: str | None = None, address: str | None = None
    ) -> None:
        super().__init__(reason)
        self.reply = reply
        self.reason = reason
        self.rule = rule
        self.address = address


class DialError(TargetError):
    """There is no connection to it."""


# Names differ by platform and WinSock has numbers of its own, so both are here.
_BY_NUMBER = {
    errno.ECONNREFUSED: Reply.CONNECTION_REFUSED,
    10061: Reply.CONNECTION_REFUSED,
    errno.EHOSTUNREACH: Reply.HOST_UNREACHABLE,
    10065: Reply.HOST_UNREACHABLE,
    errno.EHOSTDOWN: Reply.HOST_UNREACHABLE,
    10064: Reply.HOST_UNREACHABLE,
    errno.ENETUNREACH: Reply.NETWORK_UNREACHABLE,
    10051: Reply.NETWORK_UNREACHABLE,
    errno.ENETDOWN: Reply.NETWORK_UNREACHABLE,
    10050: Reply.NETWORK_UNREACHABLE,
    # No address of the target's kind to come from: no IPv6 on this machine, say.
    errno.EADDRNOTAVAIL: Reply.NETWORK_UNREACHABLE,
    10049: Reply.NETWORK_UNREACHABLE,
    errno.ETIMEDOUT: Reply.TTL_EXPIRED,
    10060: Reply.TTL_EXPIRED,
    # A firewall of this machine (or an LSM) forbids it.
    errno.EACCES: Reply.NOT_ALLOWED,
    errno.EPERM: Reply.NOT_ALLOWED,
    10013: Reply.NOT_ALLOWED,
    # WSAHOST_NOT_FOUND, WSATRY_AGAIN, WSANO_RECOVERY, WSANO_DATA
    11001: Reply.HOST_UNREACHABLE,
    11002: Reply.HOST_UNREACHABLE,
    11003: Reply.HOST_UNREACHABLE,
    11004: Reply.HOST_UNREACHABLE,
}


def reply_for_error(error: BaseException) -> Reply:
    """The reply that tells a client why connecting to its target failed."""
    if isinstance(error, TimeoutError):
        return Reply.TTL_EXPIRED
    if not isinstance(error, OSError) or error.errno is None:
        return Reply.GENERAL_FAILURE
    if error.errno < 0:
        # A failed look-up, socket.gaierror: Linux numbers those below zero.
        return Reply.HOST_UNREACHABLE
    return _BY_NUMBER.get(error.errno, Reply.GENERAL_FAILURE)
