"""How each kind of socket is made, and which options it gets: they are set nowhere else.

    kind              options
    ----------------  ------------------------------------------------------------------------
    TCP, connected    TCP_NODELAY: what belongs into one write is gathered before;
                      SO_KEEPALIVE, with the system's times: a vanished peer is noticed
    unix, connected   SO_SNDBUF: with Linux's 208 KiB, writer and reader take turns
    TCP, listening    SO_REUSEADDR; on Windows SO_EXCLUSIVEADDRUSE, for with the first of either
                      program's a port can be taken twice there
    datagrams         SO_RCVBUF; on Windows SO_EXCLUSIVEADDRUSE, for the same reason;
                      IP_PKTINFO on Linux if questions come to a wildcard address

None of them blocks. An IPv6 socket takes IPv6 only; IPv4 needs a socket of its own. No child
process inherits a socket, whether created or accepted: Python sees to that (PEP 446).
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final

from vsocks.address import parse_ip

if TYPE_CHECKING:
    from collections.abc import Callable

#: Windows' Python has none.
AF_UNIX: Final[int] = getattr(socket, "AF_UNIX", -1)

#: The session bounds what waits in a channel.
_SEND_BUFFER: Final = 512 * 1024
#: Bytes that the system is asked to hold while we do something else. A burst is longer than what
#: most systems hold by themselves; Linux gives no more than net.core.rmem_max.
_RECEIVE_BUFFER: Final = 1 << 20
#: What bind() says of an address that this machine does not have.
_NO_SUCH_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
#: Ports to try when any will do that is free at several addresses.
_PORT_TRIES: Final = 20
#: SO_LINGER on, 0 seconds: closing resets the connection, so that the end doesn't look clean.
_RESET_ON_CLOSE: Final = struct.pack("HH" if sys.platform == "win32" else "ii", 1, 0)


def family_of(host: str) -> socket.AddressFamily:
    """The address family of ``host``, an address; a name is looked up as IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def at_each_address(
    host: str, port: int, make: Callable[[str, int], socket.socket]
) -> list[socket.socket]:
    """What ``make`` gives for each address of ``host``, which may be a name; all at one port.

    Port 0 is any that is free at all of them. Of a name's addresses the system may lack some, IPv6
    ones mostly: those are left out. Raises OSError, or OverflowError for an impossible port; then
    none is open.
    """
    addresses = _addresses_of(host)
    tries = _PORT_TRIES if port == 0 and len(addresses) > 1 else 1
    while True:
        tries -= 1
        try:
            return _at_all(addresses, port, make)
        except OSError as error:
            # One that was free at the first address was taken at another.
            if error.errno != errno.EADDRINUSE or not tries:
                raise


def _at_all(
    addresses: list[str], port: int, make: Callable[[str, int], socket.socket]
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for at, address in enumerate(addresses, 1):
            try:
                sockets.append(make(address, port))
            except OSError as error:
                others = sockets or at < len(addresses)
                if error.errno not in _NO_SUCH_ADDRESS or not others:
                    raise
            else:
                port = sockets[0].getsockname()[1]
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _addresses_of(host: str) -> list[str]:
    """The addresses of a name in the order of the system, without repetitions."""
    if ":" in host or parse_ip(host) is not None:
        return [host]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def set_up_stream(sock: socket.socket) -> None:
    """Set the options of a stream socket, accepted or to be connected.

    Raises OSError, for example when an accepted client has already left.
    """
    sock.setblocking(False)
    if sock.family == AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    else:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def new_stream(family: int) -> socket.socket:
    """A stream socket to be connected. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        set_up_stream(sock)
    except OSError:
        sock.close()
        raise
    return sock


def new_listener(host: str, port: int, backlog: int) -> socket.socket:
    """A listening TCP socket. Raises OSError, or OverflowError for an impossible port."""
    if sys.platform == "win32":
        return _exclusive_listener(host, port, backlog)
    listener = socket.create_server((host, port), family=family_of(host), backlog=backlog)
    listener.setblocking(False)
    return listener


if sys.platform == "win32":

    def _exclusive_listener(host: str, port: int, backlog: int) -> socket.socket:
        """One whose port no other program can take by SO_REUSEADDR, and the connections with it."""
        family = family_of(host)
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((host, port))
            listener.listen(backlog)
        except (OSError, OverflowError):
            listener.close()
            raise
        return listener


def new_datagram_socket(family: int) -> socket.socket:
    """A socket for datagrams, not yet bound. Raises OSError."""
    return _set_up_datagrams(socket.socket(family, socket.SOCK_DGRAM))


def answering_datagram_socket(host: str, port: int) -> socket.socket:
    """A socket for questions, bound to an address; answer the source just as it is given.

    At a wildcard address answers come from the address that was asked, on Linux at least. Raises
    OSError, or OverflowError for an impossible port.
    """
    family = family_of(host)
    ip = parse_ip(host)
    if sys.platform == "linux" and ip is not None and ip.is_unspecified:
        from vsocks.aio.wildcard_socket import TELLS, WildcardSocket

        sock = WildcardSocket(family, socket.SOCK_DGRAM)
        return _bound(_set_up_datagrams(sock, TELLS[family]), (host, port))
    return bound_datagram_socket(family, (host, port))


def _set_up_datagrams(sock: socket.socket, *others: tuple[int, int]) -> socket.socket:
    """The same socket with its options, and ``others`` on; it is closed if there is an error."""
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if sys.platform == "win32":
            # Else another program could take the port, too, and the datagrams with it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        for option in others:
            sock.setsockopt(*option, 1)
    except OSError:
        sock.close()
        raise
    return sock


def bound_datagram_socket(family: int, address: tuple[Any, ...]) -> socket.socket:
    """The same, bound to ``address``. Raises OSError, or OverflowError for an impossible port."""
    return _bound(new_datagram_socket(family), address)


def _bound(sock: socket.socket, address: tuple[Any, ...]) -> socket.socket:
    try:
        sock.bind(address)
    except (OSError, OverflowError):
        sock.close()
        raise
    return sock


def reset_on_close(sock: socket.socket) -> None:
    """Have close() reset the connection, so that the end doesn't look orderly."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
