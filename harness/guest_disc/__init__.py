"""The guest's disc: one small ISO that brings vsocks into a machine without a network card."""

from .iso import write_guest_iso

__all__ = ["write_guest_iso"]
