"""What a test here leaves behind when it fails: the daemon's log, as in the integration tests."""

from tests.integration.conftest import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
