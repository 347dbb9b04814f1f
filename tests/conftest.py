"""For all tests: machines come from the harness as it is in this repository."""

pytest_plugins = ["harness.testing.plugin", "pytester"]
collect_ignore = ["outside"]  # a project of its own
