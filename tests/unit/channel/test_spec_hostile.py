"""Channel specifications that no person would write: one line of error, no traceback."""

import os
import sys

import pytest

from vsocks.channel import parse_spec
from vsocks.errors import UsageError

pytestmark = pytest.mark.unit


@pytest.mark.skipif(sys.platform == "win32", reason="Windows' command lines are not bytes")
def test_a_path_that_is_not_utf_8_is_a_path() -> None:
    """The command line brings such bytes as surrogates."""
    path = os.fsdecode(b"/run/\xff.sock")
    assert parse_spec(f"unix:{path}").place == path


@pytest.mark.parametrize("text", ["tcp:h:", "serial:/dev/ttyS1?baudrate="])
def test_numbers_that_are_too_long_for_python(text: str) -> None:
    with pytest.raises(UsageError, match="is no"):
        parse_spec(text + "9" * 5000)


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_can_not_be_one(host: str) -> None:
    """The daemon would end in a UnicodeError when it looks the name up."""
    with pytest.raises(UsageError):
        parse_spec(f"tcp:{host}:80")


def test_a_zero_byte() -> None:
    """Only from a program, for no command line can have one."""
    with pytest.raises(UsageError):
        parse_spec("/run/\0")


def test_an_error_is_one_line_whatever_was_written() -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec("tcp:localhost:\nhttp")
    assert "\n" not in str(caught.value)
