"""The Windows program, and what it takes to make it on Linux: Wine, a Windows Python, PyInstaller.

What is named here is made when first asked for, and kept in the cache.
"""

from .build import guest_exe, guest_folder
from .python import windows_python

__all__ = ["guest_exe", "guest_folder", "windows_python"]
