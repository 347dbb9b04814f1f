"""The link to the other daemon while its channel goes."""

from __future__ import annotations

import pytest

from tests.integration.support.no_service import NoService
from tests.one_process.conftest import Run, running, until
from tests.one_process.pair import HandedSource, join
from vsocks.address import Target
from vsocks.errors import BusyError
from vsocks.mux.buffers import share_out
from vsocks.mux.link import Link
from vsocks.mux.relay import IdleTimeouts, Relay
from vsocks.protocol.endpoint import EndpointConfig
from vsocks.protocol.handshake import Feature, Role
from vsocks.protocol.parcels import Associate

pytestmark = [pytest.mark.one_process, pytest.mark.timeout(60)]


def test_nothing_is_begun_in_the_turn_in_which_the_channel_has_gone(run: Run[None]) -> None:
    """Whoever began then would be told of neither an answer nor the loss of the session."""

    async def lose() -> None:
        sources = HandedSource(), HandedSource()
        guest, host = (
            Link(source, EndpointConfig(role), NoService())
            for source, role in zip(sources, (Role.GUEST, Role.HOST), strict=True)
        )
        join(*sources)
        async with running(guest.run(), host.run()):
            await until(lambda: guest.has_session and host.has_session)
            guest.drop_channel("the test says so")
            assert not guest.has_session
            assert not guest.post(Associate(1))
            clients, _ = share_out(1, 1024, with_host=False)
            relay = Relay(guest, clients, IdleTimeouts(), lambda _: None)
            with pytest.raises(BusyError):
                relay.open(Target("127.0.0.1", 80), 60.0, lambda *_: None)
            with pytest.raises(BusyError):
                guest.require(Feature.DATAGRAMS)

    run(lose())
