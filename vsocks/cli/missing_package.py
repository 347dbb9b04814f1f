"""A Python package that isn't installed: which one it is, and how to get it."""

from __future__ import annotations

from typing import Final

from vsocks.errors import UnavailableError

#: By the module: its names at PyPI and in Debian.
PACKAGES: Final = {
    "aiohappyeyeballs": ("aiohappyeyeballs", "python3-aiohappyeyeballs"),
    "prometheus_client": ("prometheus-client", "python3-prometheus-client"),
    "rich": ("rich", "python3-rich"),
    "libvirt": ("libvirt-python", "python3-libvirt"),
    "qemu": ("qemu.qmp", ""),
    "serial": ("pyserial", "python3-serial"),
    "serial_asyncio": ("pyserial-asyncio", "python3-serial-asyncio"),
}


def missing_package(error: ModuleNotFoundError) -> UnavailableError | None:
    """The error for people, or None if it is a module of our own that is missing."""
    module = (error.name or "").partition(".")[0]
    if module in {"", "vsocks"}:
        return None
    pip, debian = PACKAGES.get(module, (module, ""))
    by_apt = f"apt install {debian}, or " if debian else ""
    return UnavailableError(f"the Python package {pip} isn't installed: {by_apt}pip install {pip}")
