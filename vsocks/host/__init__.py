"""The host daemon: it dials."""
