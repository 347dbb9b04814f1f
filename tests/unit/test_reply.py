"""Which reply tells a client truly what went wrong."""

import errno
import os
import socket

import pytest

from vsocks.reply import Reply, reply_for_error

pytestmark = pytest.mark.unit


def test_codes_are_those_of_rfc_1928() -> None:
    assert [int(reply) for reply in Reply] == list(range(9))


@pytest.mark.parametrize(
    ("number", "reply"),
    [
        (errno.ECONNREFUSED, Reply.CONNECTION_REFUSED),
        (10061, Reply.CONNECTION_REFUSED),
        (errno.EHOSTUNREACH, Reply.HOST_UNREACHABLE),
        (errno.EHOSTDOWN, Reply.HOST_UNREACHABLE),
        (10065, Reply.HOST_UNREACHABLE),
        (10064, Reply.HOST_UNREACHABLE),
        (errno.ENETUNREACH, Reply.NETWORK_UNREACHABLE),
        (errno.ENETDOWN, Reply.NETWORK_UNREACHABLE),
        (errno.EADDRNOTAVAIL, Reply.NETWORK_UNREACHABLE),
        (10051, Reply.NETWORK_UNREACHABLE),
        (10050, Reply.NETWORK_UNREACHABLE),
        (10049, Reply.NETWORK_UNREACHABLE),
        (errno.ETIMEDOUT, Reply.TTL_EXPIRED),
        (10060, Reply.TTL_EXPIRED),
        (errno.EACCES, Reply.NOT_ALLOWED),
        (errno.EPERM, Reply.NOT_ALLOWED),
        (10013, Reply.NOT_ALLOWED),
        (11001, Reply.HOST_UNREACHABLE),
        (11002, Reply.HOST_UNREACHABLE),
        (11003, Reply.HOST_UNREACHABLE),
        (11004, Reply.HOST_UNREACHABLE),
        (errno.EMFILE, Reply.GENERAL_FAILURE),
    ],
)
def test_error_numbers(number: int, reply: Reply) -> None:
    assert reply_for_error(OSError(number, "as the system says it")) is reply


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (TimeoutError(), Reply.TTL_EXPIRED),
        (OSError("no number"), Reply.GENERAL_FAILURE),
        (RuntimeError("no OSError"), Reply.GENERAL_FAILURE),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), Reply.HOST_UNREACHABLE),
    ],
)
def test_other_errors(error: BaseException, reply: Reply) -> None:
    assert reply_for_error(error) is reply


def test_a_failed_lookup() -> None:
    """A real error of the resolver: a numeric look-up of what is no number asks no server."""
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("no-number.invalid", 80, flags=socket.AI_NUMERICHOST)
    assert reply_for_error(caught.value) is Reply.HOST_UNREACHABLE


def test_strerror_is_irrelevant() -> None:
    number = errno.ECONNREFUSED
    assert reply_for_error(OSError(number, os.strerror(number))) is Reply.CONNECTION_REFUSED
