"""The one byte pipe between guest and host, whatever it is made of."""

from vsocks.channel.base import Channel, ChannelSource
from vsocks.channel.opening import open_source
from vsocks.channel.spec import DEFAULT_PORT_NAME, ChannelSpec, parse_spec

__all__ = [
    "DEFAULT_PORT_NAME",
    "Channel",
    "ChannelSource",
    "ChannelSpec",
    "open_source",
    "parse_spec",
]
