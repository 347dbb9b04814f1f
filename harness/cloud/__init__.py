"""Machines from any image that boots by firmware and has cloud-init in it."""
