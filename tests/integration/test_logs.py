"""What the daemons log: in two formats, little or more."""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.pair import ALLOW_LOOPBACK, Pair
from tests.support import socks
from tests.support.socks_messages import Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def test_the_log_as_json(start_pair: StartPair) -> None:
    options = ("--log-format", "json")
    pair: Pair = start_pair(guest_options=options, host_options=(*ALLOW_LOOPBACK, *options))
    socks.ask(pair.proxy, ("127.0.0.1", 1))
    pair.host.stop()
    pair.guest.wait_for_log("session lost: ")
    pair.guest.stop()
    for daemon in (pair.guest, pair.host):
        records = [json.loads(line) for line in daemon.lines]
        assert all({"time", "level", "message"} <= record.keys() for record in records)
        messages = [record["message"] for record in records]
        assert "session up" in " | ".join(messages)
    guest_messages = [json.loads(line)["message"] for line in pair.guest.lines]
    assert any(message.startswith("listening on 127.0.0.1:") for message in guest_messages)
    assert any(message.startswith("session lost: ") for message in guest_messages)
    assert any("channel open" in line for line in pair.host.lines)


def test_verbose_says_more_and_quiet_says_a_line_each(
    start_pair: StartPair, serve: StartTarget
) -> None:
    counts = []
    target = serve(echo)
    for name, options in (("quiet", ()), ("verbose", ("-v",))):
        pair: Pair = start_pair(guest_options=options, host_options=(*ALLOW_LOOPBACK, *options))
        for _ in range(5):
            assert socks.ask(pair.proxy, target.address) == Reply.SUCCEEDED
        pair.host.stop()
        pair.guest.wait_for_log("session lost: ")
        pair.guest.stop()
        counts.append((len(pair.guest.lines), len(pair.host.lines)))
        assert sum("session up" in line for line in pair.host.lines) == 1, name
        assert sum("INFO    session lost: " in line for line in pair.guest.lines) == 1, name
    (quiet_guest, quiet_host), (verbose_guest, verbose_host) = counts
    assert quiet_guest < verbose_guest
    assert quiet_host < verbose_host
