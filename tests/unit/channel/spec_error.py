"""What somebody is told whose channel specification is none."""

from __future__ import annotations

import pytest

from vsocks.channel import parse_spec
from vsocks.errors import UsageError

FORMS = (
    *("unix:PATH", "unix-listen:PATH", "virtio[:NAME]", "serial:DEVICE[?baudrate=N]"),
    *("tcp:HOST:PORT", "tcp-listen:ADDR:PORT", "path of an existing"),
)


def check_error(text: str, problem: str) -> None:
    """One line, which names the text and the problem and shows every form."""
    with pytest.raises(UsageError, match=problem) as caught:
        parse_spec(text)
    message = str(caught.value)
    assert repr(text) in message
    assert "\n" not in message
    for form in FORMS:
        assert form in message
