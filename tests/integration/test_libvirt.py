"""A channel that libvirt knows: with a libvirtd of the test's own, as an ordinary user."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support.daemon import Daemon
from tests.integration.support.libvirtd import MISSING, Libvirt, libvirtd
from tests.integration.support.waiting import DEADLINE, eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(MISSING), reason=f"missing here: {', '.join(MISSING)}"),
]


@pytest.fixture
def libvirt() -> Iterator[Libvirt]:
    with libvirtd() as found:
        yield found


def test_the_path_is_looked_up_at_each_start(libvirt: Libvirt, tmp_path: Path) -> None:
    libvirt.define("machine", "org.vsocks.0")
    arguments = ("host", "--channel", "libvirt:machine")
    with Daemon(arguments, tmp_path / "host.log", environment=libvirt.environment) as host:
        host.wait_for_log("isn't there yet: libvirt's domain machine isn't running")
        paths = set()
        since = 0
        for _ in range(2):
            libvirt.run("start", "--paused", "machine")
            host.wait_for_log("channel open: libvirt:machine", since=since)
            xml = libvirt.run("dumpxml", "machine")
            paths |= {line.strip() for line in xml.splitlines() if "org.vsocks.0'/>" in line}
            since = len(host.lines)
            libvirt.run("destroy", "machine")
            host.wait_for_log("isn't there yet: .*isn't running", since=since)
        assert len([path for path in paths if "source" in path]) == 2, "it is the same path"


@pytest.fixture
def at_libvirt(libvirt: Libvirt, monkeypatch: pytest.MonkeyPatch) -> Libvirt:
    """This process asks it, too."""
    for name, value in libvirt.environment.items():
        monkeypatch.setenv(name, value)
    return libvirt


def test_libvirt_says_what_changes(at_libvirt: Libvirt) -> None:
    """Again after its daemon has ended and was started anew."""
    from vsocks.channel.libvirt_events import LibvirtEvents

    at_libvirt.define("machine", "org.vsocks.0")
    events, told = LibvirtEvents(), list[str]()

    def awaited(name: str) -> None:
        assert name in told

    events.add(told.append)
    try:
        eventually(lambda: awaited(""))
        at_libvirt.run("start", "--paused", "machine")
        eventually(lambda: awaited("machine"))
        told.clear()
        at_libvirt.stop()
        eventually(lambda: awaited(""))
        assert not events.are_told
        at_libvirt.start()

        def is_back() -> None:
            assert events.are_told

        eventually(is_back)
        told.clear()
        at_libvirt.run("destroy", "machine")
        eventually(lambda: awaited("machine"))
    finally:
        events.remove(told.append)
    assert "libvirt" not in [thread.name for thread in threading.enumerate()]


def test_a_machine_that_is_off_is_awaited_not_asked_for(at_libvirt: Libvirt) -> None:
    from vsocks.channel.libvirt import LibvirtSource
    from vsocks.channel.libvirt_events import EVENTS

    at_libvirt.define("machine", "org.vsocks.0")

    def are_told() -> None:
        assert EVENTS.are_told

    async def opened() -> None:
        source = LibvirtSource("machine")
        await source.start()
        await asyncio.to_thread(eventually, are_told)
        opening = asyncio.ensure_future(source.open())
        # Until the news of the begin have been used up.
        while (await asyncio.wait({opening}, timeout=1))[0]:
            with pytest.raises(OSError, match="isn't running"):
                opening.result()
            opening = asyncio.ensure_future(source.open())
        await asyncio.to_thread(at_libvirt.run, "start", "--paused", "machine")
        while True:
            try:
                channel = await opening
                break
            except OSError:  # the socket comes a moment after the news
                opening = asyncio.ensure_future(source.open())
        await channel.close()
        await source.close()

    asyncio.run(asyncio.wait_for(opened(), DEADLINE * 3))


def test_what_is_wrong_with_a_domain_is_said(libvirt: Libvirt, tmp_path: Path) -> None:
    libvirt.define("other", "org.example.0")
    libvirt.run("start", "--paused", "other")
    for name, says in (
        ("nobody", "libvirt: Domain not found: .*'nobody'"),
        ("other", r"libvirt.s domain other has no channel of type unix named org\.vsocks\.\*"),
    ):
        arguments = ("host", "--channel", f"libvirt:{name}")
        with Daemon(arguments, tmp_path / f"{name}.log", environment=libvirt.environment) as host:
            host.wait_for_log(f"isn't there yet: {says}")


def test_no_libvirt_at_all(tmp_path: Path) -> None:
    arguments = ("host", "--channel", "libvirt:machine")
    uri = {"LIBVIRT_DEFAULT_URI": f"qemu:///system?socket={tmp_path}/nobody"}
    with Daemon(arguments, tmp_path / "host.log", environment=uri) as host:
        host.wait_for_log(f"isn't there yet: libvirt: .*{tmp_path}/nobody.*: No such file")


def test_all_machines_are_served_as_they_come_and_go(libvirt: Libvirt, tmp_path: Path) -> None:
    for name, port in ("first", "org.vsocks.0"), ("second", "org.vsocks.1"), ("foreign", "org.x.0"):
        libvirt.define(name, port)
        libvirt.run("start", "--paused", name)
    file = tmp_path / "host.toml"
    file.write_text('[machine.vms]\nchannel = "libvirt:*"\n')
    arguments = ("host", "--config", str(file))
    with Daemon(arguments, tmp_path / "host.log", environment=libvirt.environment) as host:
        host.wait_for_log("first: channel open")
        host.wait_for_log("second: channel open")
        libvirt.run("destroy", "first")
        host.wait_for_log("first: no longer served: it is gone")
        since = len(host.lines)
        libvirt.run("start", "--paused", "first")
        host.wait_for_log("first: channel open", since=since)
        since = len(host.lines)
        libvirt.stop()
        host.signal(signal.SIGHUP)
        host.wait_for_log("configuration read anew: 2 machines", since=since)
        libvirt.start()
        libvirt.run("destroy", "second")
        host.wait_for_log("second: no longer served: it is gone", since=since)
        assert not [line for line in host.lines[since:] if "first" in line]
        assert not [line for line in host.lines if "foreign" in line]
