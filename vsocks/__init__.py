"""A SOCKS5 door to the network for virtual machines without a network card."""

__version__ = "0.1.0"
