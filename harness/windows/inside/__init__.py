r"""Programs that run inside the Windows guest, by its own Python: standard library only.

They are copied to `C:\vsocks\inside`.
"""
