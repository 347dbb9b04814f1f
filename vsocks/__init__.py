"""A door to the network for virtual machines without a network card."""

__version__ = "0.2.0"
