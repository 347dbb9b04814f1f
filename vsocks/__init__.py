"""A door to the network for virtual machines without a network card.

A daemon in the guest serves SOCKS5, SOCKS4 and 4a, and HTTP (CONNECT, and plain requests) on one
port. A daemon on the host makes the connections. One byte pipe, such as a virtio-serial port,
joins the two and carries all connections, datagrams and DNS queries.
"""

__version__ = "0.2.0"
