"""What the audit is told of connections, forwards, datagrams and questions of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support.journal import PlayedJournal
from tests.one_process.conftest import Run, until
from tests.one_process.guest.test_datagrams import ASSOCIATE, associated, inbox
from tests.one_process.pair import LOOPBACK, echo_server, pair
from tests.one_process.targets import client
from tests.support.socks_async import ask, connect, read_answer, request
from tests.support.socks_messages import RESOLVE, RESOLVE_PTR, Reply, datagram_header
from vsocks.host.audit import AuditConfig
from vsocks.host.config import HostConfig
from vsocks.policy.policy import Policy, Rule
from vsocks.protocol.endpoint import Wire

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]

DENYING = Policy([Rule.parse("allow", "127.0.0.0/8"), Rule.parse("deny", "*.evil.test")])


def audited(folder: Path, policy: Policy = LOOPBACK) -> HostConfig:
    return HostConfig(Wire.AUTO, policy, audit=AuditConfig(folder / "audit"))


def lines(folder: Path) -> list[dict[str, Any]]:
    """All lines of the file."""
    return [json.loads(line) for line in (folder / "audit").read_text().splitlines()]


def told(folder: Path, *names: str) -> list[tuple[Any, ...]]:
    """These fields of each line."""
    return [tuple(line[name] for name in names) for line in lines(folder)]


def test_a_connection(run: Run[None], tmp_path: Path) -> None:
    async def exchange() -> None:
        async with pair(host=audited(tmp_path)) as both, echo_server() as target:
            reader, writer = await connect(both.proxy, target)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await until(lambda: len(lines(tmp_path)) == 2)

    run(exchange())
    begin, end = lines(tmp_path)
    assert (begin["event"], begin["rule"]) == ("begin", "allow 127.0.0.0/8")
    assert (end["event"], end["sent"], end["received"]) == ("end", 5, 5)
    assert end["end"] == "closed"


def test_who_is_denied_and_who_is_not_there(run: Run[None], tmp_path: Path) -> None:
    async def exchange() -> None:
        async with pair(host=audited(tmp_path, DENYING)) as both:
            assert await ask(both.proxy, ("c2.evil.test", 443)) is Reply.NOT_ALLOWED
            assert await ask(both.proxy, ("127.0.0.1", 1)) is Reply.REFUSED

    run(exchange())
    assert told(tmp_path, "event", "allowed", "rule", "end") == [
        ("failed", False, "deny *.evil.test", "denied"),
        ("failed", True, "allow 127.0.0.0/8", "Connection refused"),
    ]


def test_an_association_and_whom_it_sends_to(run: Run[None], tmp_path: Path) -> None:
    async def exchange() -> None:
        async with (
            pair(host=audited(tmp_path)) as both,
            client(both.proxy, ASSOCIATE) as (reader, writer),
            inbox() as (ours, _),
            inbox(echoes=True) as (_, where),
        ):
            relay = await associated(reader)
            ours.transport.sendto(datagram_header(("169.254.169.254", 53)) + b"no", relay)
            ours.transport.sendto(datagram_header(where) + b"four", relay)
            await ours.came.get()
            writer.close()
            await until(lambda: len(lines(tmp_path)) == 5)

    run(exchange())
    association, denied, begin, end, over = lines(tmp_path)
    assert (association["kind"], association["event"]) == ("association", "begin")
    assert (denied["kind"], denied["address"], denied["allowed"]) == (
        *("datagrams", "169.254.169.254"),
        False,
    )
    assert (begin["event"], begin["sent"]) == ("begin", 0)
    assert (end["event"], end["sent"], end["received"]) == ("end", 4, 4)
    assert (over["kind"], over["event"]) == ("association", "end")


def test_look_ups(run: Run[None], tmp_path: Path) -> None:
    async def look_up(proxy: tuple[str, int], name: str, command: int) -> int:
        reader, writer = await request(proxy, (name, 0), command=command)
        answer = await read_answer(reader)
        writer.close()
        return answer.reply

    async def exchange() -> None:
        async with pair(host=audited(tmp_path, DENYING)) as both:
            assert await look_up(both.proxy, "localhost", RESOLVE) == Reply.SUCCEEDED
            assert await look_up(both.proxy, "a.evil.test", RESOLVE) == Reply.NOT_ALLOWED
            assert await look_up(both.proxy, "169.254.169.254", RESOLVE_PTR) == Reply.NOT_ALLOWED

    run(exchange())
    assert told(tmp_path, "kind", "event", "name", "allowed") == [
        ("look-up", "answered", "localhost", True),
        ("look-up", "failed", "a.evil.test", False),
        ("reverse-look-up", "failed", "169.254.169.254", False),
    ]


def test_a_file_that_cannot_be_written_stops_what_is_new(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is /dev/full, as a full disk is."""
    full = AuditConfig(Path("/dev/full"), stops=True)
    config = HostConfig(Wire.AUTO, LOOPBACK, audit=full)

    async def exchange() -> None:
        async with pair(host=config) as both, echo_server() as target:
            assert await ask(both.proxy, target) is Reply.SUCCEEDED
            assert await ask(both.proxy, target) is Reply.GENERAL_FAILURE

    run(exchange())
    assert "the audit /dev/full can't be written: No space left on device" in caplog.text
    assert "nothing new is allowed until it can" in caplog.text


def test_a_renamed_file_is_left(run: Run[None], tmp_path: Path) -> None:
    async def exchange() -> None:
        async with pair(host=audited(tmp_path)) as both:
            assert await ask(both.proxy, ("127.0.0.1", 1)) is Reply.REFUSED
            (tmp_path / "audit").rename(tmp_path / "old")
            both.host.on_hangup()
            assert await ask(both.proxy, ("127.0.0.1", 2)) is Reply.REFUSED

    run(exchange())
    assert json.loads((tmp_path / "old").read_text())["port"] == 1
    assert told(tmp_path, "port") == [(2,)]


def test_a_journal_has_the_same(run: Run[None], tmp_path: Path) -> None:
    async def exchange() -> None:
        config = HostConfig(Wire.AUTO, LOOPBACK, audit=AuditConfig(tmp_path / "journal"))
        async with pair(host=config) as both:
            assert await ask(both.proxy, ("127.0.0.1", 1)) is Reply.REFUSED

    with PlayedJournal(tmp_path / "journal") as journal:
        run(exchange())
        entry = journal.entry()
    assert (entry["VSOCKS_PORT"], entry["VSOCKS_EVENT"]) == ("1", "failed")
