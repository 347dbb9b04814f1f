"""What a guest may cause at the host is bounded by what it costs, not by what it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.support.alone import lone_host
from tests.integration.support.flooder import Flooder
from tests.integration.support.pair import SESSION_UP
from tests.integration.support.waiting import eventually
from vsocks.protocol.handshake import Role
from vsocks.protocol.parcels import Ask, Associate, Associated, Dissociate, Tell, Topic
from vsocks.reply import Reply

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def test_associations_count_until_they_are_closed(tmp_path: Path) -> None:
    """Each holds two sockets; those that the guest has given up hold them for a moment longer."""
    asked = 200
    with (
        lone_host(tmp_path, "--max-associations", "4") as (host, channel),
        Flooder(Role.GUEST, channel) as guest,
    ):
        guest.meet()
        host.wait_for_log(SESSION_UP)
        guest.say(
            *(each for number in range(asked) for each in (Associate(number), Dissociate(number)))
        )

        def answers() -> list[int]:
            heard = [each.reply for each in guest.heard() if isinstance(each, Associated)]
            assert len(heard) == asked
            return heard

        # At most one read of the host's, and so one turn, has all of them.
        assert eventually(answers).count(Reply.SUCCEEDED) < asked / 4


def test_questions_have_a_rate(tmp_path: Path) -> None:
    asked = 60
    with (
        lone_host(tmp_path, "--question-rate", "2") as (host, channel),
        Flooder(Role.GUEST, channel) as guest,
    ):
        guest.meet()
        host.wait_for_log(SESSION_UP)
        guest.say(*(Ask(number, Topic.ADDRESS_OF, b"localhost") for number in range(asked)))

        def answers() -> list[int]:
            heard = [each.reply for each in guest.heard() if isinstance(each, Tell)]
            assert len(heard) == asked
            return heard

        assert eventually(answers).count(Reply.SUCCEEDED) < asked / 2
        host.wait_for_log("refused: question: more than 2 questions a second")
