"""The wire as state machines: bytes in, events out. Pure."""
