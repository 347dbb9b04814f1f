"""A session again after QEMU has kept a write: over the model of Windows' driver."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.integration.support.no_service import NoService
from tests.one_process.conftest import Run, running, until
from tests.unit.channel.vioserial import FakeDriver
from vsocks.channel.overlapped import OverlappedSource
from vsocks.mux.link import Link
from vsocks.protocol.endpoint import MAX_OUTPUT, Endpoint, EndpointConfig
from vsocks.protocol.events import SessionUp
from vsocks.protocol.handshake import Hello, Offer, Role
from vsocks.protocol.parcels import Associate

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


class HostEnd:
    """A host daemon's endpoint at the other side of the driver, for one client of QEMU's."""

    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver
        self._endpoint = Endpoint(EndpointConfig(Role.HOST), asyncio.get_running_loop().time())
        self._got = driver.queue.clients[-1]
        self._read = 0
        self.is_up = False

    async def serve(self) -> None:
        out = memoryview(bytearray(MAX_OUTPUT))
        while True:
            now = asyncio.get_running_loop().time()
            new = self._got[self._read :]
            self._read += len(new)
            self._endpoint.buffer()[: len(new)] = new
            for event in (*self._endpoint.received(len(new), now), *self._endpoint.poll(now)):
                self.is_up = self.is_up or isinstance(event, SessionUp)
            if size := self._endpoint.write_into(out, now):
                self._driver.send(bytes(out[:size]))
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    "told", [True, False], ids=["told", "too quick to be seen, but for its hello"]
)
def test_the_next_host_gets_a_session(
    run: Run[None], told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """And so do those after it. What was half written, or comes late, is skipped as noise."""
    caplog.set_level(logging.INFO, "vsocks")

    async def one_after_the_other() -> None:
        driver = FakeDriver()
        guest = Link(OverlappedSource(driver.open), EndpointConfig(Role.GUEST), NoService())
        async with running(guest.run()):
            for kept in range(3):
                driver.connect(told=told)
                host = HostEnd(driver)
                if not told:
                    driver.send(Hello(Role.HOST, 1 + kept, 0, Offer()).encode())
                async with running(host.serve()):
                    await until(lambda: host.is_up and guest.has_session)  # noqa: B023
                driver.stall(slack=3)
                assert guest.post(Associate(1))
                await until(lambda: driver.queue.in_hand)
                driver.disconnect(told=told)
                driver.queue.drains = True
                assert len(driver.queue.detached) == kept + 1
        assert driver.opened == 1

    run(one_after_the_other())
    assert caplog.text.count("is left to itself") == 2
