"""Debian packages: `vsocks`, and `vsocks-guest` and `vsocks-host`, which start it."""
