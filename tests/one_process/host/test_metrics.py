"""The metrics: as Prometheus' own parser reads them, and whatever a guest does, no more of them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.one_process.conftest import Run, running, until
from tests.one_process.pair import Pair, echo_server, pair
from tests.support import socks_async
from tests.support.socks_messages import RESOLVE, Reply
from vsocks.audit.record import Kind
from vsocks.host.control import OnlyMachine
from vsocks.host.ledger import ABANDONED, RESULTS, Ledger
from vsocks.host.metrics import metrics
from vsocks.host.metrics_listener import MetricsListener

pytestmark = pytest.mark.one_process

DOCS = Path(__file__).parents[3] / "docs"
OF_THE_PROCESS = "process_"


def texts_of(two: Pair) -> AsyncGenerator[str, None]:
    fleet = OnlyMachine(two.host)
    return metrics(fleet.channels, fleet.hosts)


async def text_of(two: Pair) -> str:
    return "".join([text async for text in texts_of(two)])


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], family: str, **labels: str) -> float:
    """The one sample with these labels."""
    [sample] = [each for each in found[family].samples if labels.items() <= each.labels.items()]
    return float(sample.value)


def test_what_stands_and_what_was_is_told(run: Run[None]) -> None:
    async def tell() -> None:
        async with echo_server() as target, pair() as two:
            reader, writer = await socks_async.connect(two.proxy, target)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert await socks_async.ask(two.proxy, ("169.254.169.254", 80)) is Reply.NOT_ALLOWED
            found = families(await text_of(two))
            assert value(found, "vsocks_machines") == 1
            assert value(found, "vsocks_session_up", machine="pair") == 1
            assert value(found, "vsocks_channel_open", machine="pair") == 1
            assert value(found, "vsocks_sessions") == 1
            assert value(found, "vsocks_connections", kind="connect") == 1
            moved = [("sent", 5), ("received", 5)]
            for direction, count in moved:
                assert value(found, "vsocks_bytes", kind="connect", direction=direction) == count
            attempts = found["vsocks_connection_attempts"].samples
            assert {each.labels["result"]: each.value for each in attempts} == {
                "connected": 1,
                "not-allowed": 1,
            }
            writer.close()
            await until(lambda: not two.host.ledger.entries)
            found = families(await text_of(two))
            assert value(found, "vsocks_connections", kind="connect") == 0
            for direction, count in moved:
                assert value(found, "vsocks_bytes", kind="connect", direction=direction) == count

    run(tell())


def test_look_ups_are_timed(run: Run[None]) -> None:
    async def tell() -> None:
        async with pair() as two:
            reader, writer = await socks_async.request(two.proxy, ("localhost", 0), command=RESOLVE)
            assert (await socks_async.read_answer(reader)).reply is Reply.SUCCEEDED
            writer.close()
            found = families(await text_of(two))
            assert value(found, "vsocks_questions", kind="look-up", result="answered") == 1
            buckets = [
                each for each in found["vsocks_lookup_seconds"].samples if "le" in each.labels
            ]
            assert buckets[-1].labels["le"] == "+Inf"
            assert buckets[-1].value == 1
            counts = [each.value for each in buckets]
            assert counts == sorted(counts)

    run(tell())


def test_a_guest_makes_no_labels(run: Run[None]) -> None:
    async def tell() -> None:
        async with pair() as two:
            for number in range(20):
                await socks_async.ask(two.proxy, (f"name-{number}.invalid", 1 + number))
                await socks_async.ask(two.proxy, (f"10.0.0.{number}", 0))
            expected = {
                "machine": {"pair"},
                "kind": {kind.value for kind in Kind},
                "result": {*RESULTS.values(), ABANDONED, "answered", "failed", "refused"},
                "direction": {"sent", "received"},
            }
            for family in families(await text_of(two)).values():
                for sample in family.samples:
                    for label in sample.labels.keys() & expected.keys():
                        assert sample.labels[label] in expected[label]

    run(tell())


def test_any_reply_of_a_guest_is_one_of_a_few_results() -> None:
    ledger = Ledger()
    for reply in range(256):
        ledger.begin(Kind.FORWARD, None).refused(reply)
    results = ledger.accounts[Kind.FORWARD].results
    assert set(results) <= set(RESULTS.values())
    assert results.total() == 256
    assert not ledger.entries


def test_the_document_has_every_metric_and_label(run: Run[None]) -> None:
    document = (DOCS / "control.md").read_text()
    rows = re.findall(r"^\| `(vsocks_\w+)` \|(.*?)\| ", document, re.MULTILINE)
    described = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}

    async def tell() -> None:
        async with pair() as two:
            await socks_async.ask(two.proxy, ("169.254.169.254", 80))
            two.host.ledger.refusals[Kind.CONNECT] += 1
            # A session that is silent for a second asks, and measures how long that takes.
            await until(lambda: (load := two.host.link.load) and load.delay is not None)
            two.host.questions.results[Kind.DNS, "answered"] += 1
            told = {
                name: labels
                for name, labels in _told(families(await text_of(two)))
                if not name.startswith(OF_THE_PROCESS)
            }
            assert told == described

    run(tell())


def _told(found: dict[str, Metric]) -> Iterator[tuple[str, set[str]]]:
    for family in found.values():
        labels = {label for sample in family.samples for label in sample.labels}
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        yield f"{family.name}{suffix}", labels


def test_the_dashboard_names_metrics_that_there_are() -> None:
    document = (DOCS / "control.md").read_text()
    described = set(re.findall(r"^\| `(vsocks_\w+)` \|", document, re.MULTILINE))
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    named: set[str] = set()
    for expression in _expressions(dashboard):
        named |= set(re.findall(r"\bvsocks_\w+", expression))
    assert named
    assert {name.removesuffix("_bucket") for name in named} <= described


def _expressions(part: Any) -> Iterator[str]:
    """All queries of a dashboard."""
    if isinstance(part, dict):
        for key, inner in part.items():
            if key in {"expr", "query", "definition"} and isinstance(inner, str):
                yield inner
            yield from _expressions(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _expressions(inner)


# -- at an address -------------------------------------------------------------------------


async def fetch(address: tuple[str, int], request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def test_prometheus_reads_them_at_an_address(run: Run[None]) -> None:
    async def serve() -> None:
        async with pair() as two:
            listener = MetricsListener(("127.0.0.1", 0), lambda: texts_of(two))
            listener.start()
            async with running(listener.run()):
                got = await fetch(listener.address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                head, _, body = got.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ")
                assert b"Content-Type: text/plain; version=0.0.4" in head
                assert value(families(body.decode()), "vsocks_session_up") == 1
                for request, status in (
                    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
                    (b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
                    (b"GET\r\n\r\n", b"400"),
                ):
                    assert (await fetch(listener.address, request)).split()[1] == status

    run(serve())
