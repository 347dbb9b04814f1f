"""`vsocks host --audit journal`: the same lines as in a file, as entries of systemd's journal."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.daemon import Daemon
from tests.integration.support.journal import PlayedJournal, real_journal
from tests.integration.support.pair import ALLOW_LOOPBACK
from tests.integration.support.waiting import eventually
from tests.support import socks
from tests.support.socks_messages import Reply
from vsocks.host.journal import JOURNAL, is_journal

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_an_entry_for_all_that_a_file_would_have_a_line_for(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path
) -> None:
    target = serve(echo)
    with PlayedJournal(tmp_path / "socket") as journal:
        pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--audit", str(journal.path)))
        with socks.connect(pair.proxy, ("localhost", target.port)):
            begin = journal.entry()
        assert socks.ask(pair.proxy, ("224.0.0.1", 9)) is Reply.NOT_ALLOWED
        later = [journal.entry(), journal.entry()]
        [end] = [entry for entry in later if entry["VSOCKS_EVENT"] == "end"]
        [denied] = [entry for entry in later if entry["VSOCKS_EVENT"] == "failed"]
    for entry in begin, end, denied:
        assert entry["SYSLOG_IDENTIFIER"] == "vsocks-audit"
        line = json.loads(entry["MESSAGE"])
        assert line["kind"] == entry["VSOCKS_KIND"] == "connect"
    assert (begin["VSOCKS_NAME"], begin["VSOCKS_ADDRESS"]) == ("localhost", "127.0.0.1")
    assert begin["VSOCKS_NUMBER"] == end["VSOCKS_NUMBER"]
    assert (denied["PRIORITY"], denied["VSOCKS_ALLOWED"]) == ("5", "false")
    assert denied["VSOCKS_ADDRESS"] == "224.0.0.1"


def test_a_flood_of_denials_is_counted_exactly(start_pair: StartPair, tmp_path: Path) -> None:
    many = 300
    with PlayedJournal(tmp_path / "socket") as journal:
        options = ("--connect-rate", "10000", "--audit", str(journal.path))
        pair = start_pair(host_options=options)
        for _ in range(many):
            assert socks.ask(pair.proxy, ("127.0.0.1", 9)) is Reply.NOT_ALLOWED
        pair.host.stop()
        entries = journal.waiting()
    assert sum(int(entry["VSOCKS_COUNT"]) for entry in entries) == many
    assert len(entries) < many / 10


@pytest.mark.parametrize("choice", ["continue", "stop"])
def test_a_journal_that_takes_nothing_is_said_and_told_of_later(
    start_pair: StartPair, serve: StartTarget, tmp_path: Path, choice: str
) -> None:
    target = serve(echo)
    with PlayedJournal(tmp_path / "socket") as journal:
        options = ("--audit", str(journal.path), "--audit-failure", choice)
        pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--connect-rate", "10000", *options))
        replies = []
        while not any("can't be written" in line for line in pair.host.lines):
            replies.append(socks.ask(pair.proxy, target.address))
            assert len(replies) < 3000, "the queue of a socket has an end"
        pair.host.wait_for_log("can't be written: Resource temporarily unavailable; records lost")
        replies.append(socks.ask(pair.proxy, target.address))
        assert replies[-1] is (Reply.SUCCEEDED if choice == "continue" else Reply.GENERAL_FAILURE)
        entries = []

        def served_again() -> None:
            entries.extend(journal.waiting())
            replies.append(socks.ask(pair.proxy, target.address))
            assert replies[-1] is Reply.SUCCEEDED

        eventually(served_again)
        pair.host.wait_for_log("is written again; records lost: ")
        pair.host.stop()
        entries += journal.waiting()
    assert "lost" in [entry["VSOCKS_EVENT"] for entry in entries]
    # Many ends at once may have filled the queue again, and then nobody has read.
    lacking = re.search(r"the audit lacks (\d+) records at its end", "\n".join(pair.host.lines))
    told = sum(int(entry["VSOCKS_COUNT"]) for entry in entries) + int(lacking[1] if lacking else 0)
    # Of each connection a begin and an end, of each refusal one.
    assert told == len(replies) + replies.count(Reply.SUCCEEDED)


def test_a_journal_that_was_started_anew_is_found(start_pair: StartPair, tmp_path: Path) -> None:
    with PlayedJournal(tmp_path / "socket") as journal:
        pair = start_pair(host_options=("--audit", str(journal.path)))
        socks.ask(pair.proxy, ("127.0.0.1", 1))
        assert journal.entry()["VSOCKS_PORT"] == "1"
        journal.close()
        with PlayedJournal(journal.path) as another:
            socks.ask(pair.proxy, ("127.0.0.1", 2))
            assert another.entry()["VSOCKS_PORT"] == "2"
            pair.host.signal(signal.SIGHUP)
            pair.host.wait_for_log("has been opened anew")
            socks.ask(pair.proxy, ("127.0.0.1", 3))
            assert another.entry()["VSOCKS_PORT"] == "3"


def test_where_no_journal_is_that_is_said_at_once(tmp_path: Path) -> None:
    """It would make no file of that name, were there a folder for it."""
    assert is_journal(JOURNAL)
    if JOURNAL.exists():
        pytest.skip("this system has a journal")
    arguments = ("host", "--channel", f"unix-listen:{tmp_path}/c", "--audit", "journal")
    with Daemon(arguments, tmp_path / "daemon.log") as daemon:
        assert daemon.wait() == 2
        expected = "the audit /run/systemd/journal/socket can't be written: No such file"
        assert expected in daemon.lines[-1]


def test_the_real_journal_takes_it(start_pair: StartPair) -> None:
    with real_journal() as journal:
        pair = start_pair(host_options=("--audit", "journal"), host_prefix=journal.prefix)
        assert socks.ask(pair.proxy, ("127.0.0.1", 9)) is Reply.NOT_ALLOWED

        def told() -> None:
            [entry] = journal.entries()
            line = json.loads(entry["MESSAGE"])
            assert (line["address"], line["port"], line["allowed"]) == ("127.0.0.1", 9, False)
            assert (entry["VSOCKS_PORT"], entry["PRIORITY"]) == ("9", "5")
            assert entry["_TRANSPORT"] == "journal"

        eventually(told)
