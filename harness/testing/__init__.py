"""Machines for tests under pytest. The plugin loads the rest of the harness when it is needed."""
