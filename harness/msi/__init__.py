"""vsocks-guest-VERSION.msi: the Windows program and its service, for whoever deploys them."""

from .package import write_msi

__all__ = ["write_msi"]
