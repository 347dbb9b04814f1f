"""Datagrams have bounds of their own, and harm nothing when they are too many or too late."""

from __future__ import annotations

import time
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.alone import lone_guest
from tests.integration.support.behaviours import source
from tests.integration.support.http_client import status_page
from tests.integration.support.original_host import OriginalHost
from tests.integration.support.pair import ALLOW_LOOPBACK, SESSION_UP, Pair
from tests.integration.support.transfer import Received, receive_pattern, request
from tests.integration.support.udp import Association, refusal, udp_target
from tests.integration.support.waiting import eventually
from tests.support import socks
from tests.support.socks_messages import RefusedError, Reply, datagram_header

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

LAST = b"the last one"
SIZE = 50_000_000


def _associate(pair: Pair) -> Association:
    """An association, as soon as one can be had."""

    def attempt() -> Association:
        try:
            return Association(pair.proxy)
        except (RefusedError, EOFError) as error:
            raise AssertionError(f"still refused: {error}") from error

    return eventually(attempt)


# -- the policy -------------------------------------------------------------------------------


def test_a_denied_target_gets_nothing_and_the_log_names_the_rule(start_pair: StartPair) -> None:
    with udp_target() as allowed, udp_target() as denied:
        rule = f"*:{denied.port}"
        pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--deny", rule))
        with Association(pair.proxy) as association:
            for host in "127.0.0.1", "localhost":
                association.send((host, denied.port), b"denied")
            association.send(("169.254.169.254", allowed.port), b"denied")
            for host in "127.0.0.1", "localhost":
                where = rf"datagram to {host}:{denied.port}: "
                pair.host.wait_for_log(rf"refused: {where}.*denied by 'deny \*:{denied.port}'")
            pair.host.wait_for_log(r"datagram to 169\.254\.169\.254:\d+: denied by default")
            association.send(allowed.address, LAST)
            assert association.receive_until(LAST) == []
        assert denied.received == []


def test_the_default_policy_is_that_of_connections(start_pair: StartPair) -> None:
    pair = start_pair(host_options=())
    with udp_target() as target, Association(pair.proxy) as association:
        for host in "127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "0.0.0.0":
            association.send((host, target.port), b"denied")
        pair.host.wait_for_log(r"datagram to 0\.0\.0\.0:\d+: denied by default")
        assert target.received == []


def test_what_an_address_may_its_name_may_not(start_pair: StartPair) -> None:
    """A rule on a name is about who asks by that name."""
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--deny", "localhost"))
    with udp_target() as target, Association(pair.proxy) as association:
        association.exchange(target.address, b"by address")
        association.send(("localhost", target.port), b"by name")
        association.send(target.address, LAST)
        assert association.receive_until(LAST) == []


# -- how many, and how long -------------------------------------------------------------------


@pytest.mark.parametrize("side", ["guest", "host"])
def test_max_associations_is_held_to_on_either_side(start_pair: StartPair, side: str) -> None:
    limit = ("--max-associations", "2")
    pair = start_pair(
        guest_options=limit if side == "guest" else (),
        host_options=(*ALLOW_LOOPBACK, *limit) if side == "host" else ALLOW_LOOPBACK,
    )
    with udp_target() as target, Association(pair.proxy) as first, Association(pair.proxy):
        assert refusal(pair.proxy) == Reply.GENERAL_FAILURE
        assert first.exchange(target.address, b"hello")[1] == b"hello"
        first.close()
        with _associate(pair) as another:
            assert another.exchange(target.address, b"hello")[1] == b"hello"


def test_beyond_the_rate_datagrams_are_dropped(start_pair: StartPair) -> None:
    pair = start_pair(host_options=(*ALLOW_LOOPBACK, "--datagram-rate", "5"))
    with udp_target() as target, Association(pair.proxy) as association:
        for number in range(200):
            association.send(target.address, f"{number}".encode())
        pair.host.wait_for_log("refused: datagram to .*: more than 5 a second")

        def last() -> None:
            association.send(target.address, LAST)
            association.socket.settimeout(0.2)
            try:
                received = association.receive_until(LAST)
            except TimeoutError as error:
                raise AssertionError("it was dropped, too") from error
            assert len(received) < 100

        eventually(last)


@pytest.mark.parametrize("side", ["guest", "host"])
def test_a_silent_association_is_ended(start_pair: StartPair, side: str) -> None:
    idle = ("--udp-idle-timeout", "0.5")
    pair = start_pair(
        guest_options=idle if side == "guest" else (),
        host_options=(*ALLOW_LOOPBACK, *idle) if side == "host" else ALLOW_LOOPBACK,
    )
    with udp_target() as target, Association(pair.proxy) as association:
        end = time.monotonic() + 2
        while time.monotonic() < end:  # several times the timeout, but never silent
            assert association.exchange(target.address, b"hello")[1] == b"hello"
            time.sleep(0.1)
        association.wait_end()
    with udp_target() as target, _associate(pair) as association:
        assert association.exchange(target.address, b"again")[1] == b"again"


# -- sessions ---------------------------------------------------------------------------------


def test_without_a_session_it_is_refused_at_once(start_pair: StartPair) -> None:
    pair = start_pair(start=False)
    pair.start_guest()
    assert refusal(pair.proxy) == Reply.GENERAL_FAILURE


def test_a_host_of_the_original_wire_can_not_do_it(tmp_path: Path) -> None:
    with lone_guest(tmp_path) as (guest, proxy, channel), OriginalHost(channel):
        guest.wait_for_log(SESSION_UP)
        assert refusal(proxy) == Reply.COMMAND_NOT_SUPPORTED


@pytest.mark.parametrize("victim", ["host", "guest"])
def test_a_daemon_that_is_killed_ends_all_of_them(pair: Pair, victim: str) -> None:
    with udp_target() as target:
        associations = [Association(pair.proxy) for _ in range(4)]
        for association in associations:
            assert association.exchange(target.address, b"hello")[1] == b"hello"
        if victim == "host":
            pair.host.kill()
        else:
            since = len(pair.host.lines)
            pair.guest.kill()
            pair.host.wait_for_log("session lost", since=since)
        for association in associations:
            association.wait_end()
            association.close()
        if victim == "host":
            since = len(pair.guest.lines)
            pair.start_host()
            pair.guest.wait_for_log(SESSION_UP, since=since)
        else:
            pair.start_guest()
            pair.guest.wait_for_log(SESSION_UP)
        with _associate(pair) as association:
            assert association.exchange(target.address, b"again")[1] == b"again"


# -- too many ---------------------------------------------------------------------------------


def test_what_waits_for_a_stalled_host_is_dropped_and_counted(start_pair: StartPair) -> None:
    pair = start_pair()
    count, data = 2000, bytes(1000)
    with udp_target() as target, Association(pair.proxy) as association:
        association.exchange(target.address, b"hello")
        pair.host.signal(SIGSTOP)
        try:
            for _ in range(count):
                association.send(target.address, data)
                time.sleep(0.001)
        finally:
            pair.host.signal(SIGCONT)
        association.send(target.address, LAST)
        received = association.receive_until(LAST)
        assert set(received) <= {data}
        dropped = int(status_page(pair.proxy)["Datagrams dropped"])
        # Those between were on their way already, or were too many at once for the target.
        assert count // 2 < dropped <= count - len(received)


def test_what_has_waited_for_too_long_is_dropped(pair: Pair) -> None:
    """All of it would find room, once the host reads again; but by then it is late."""
    count, data = 450, bytes(1000)
    with udp_target() as target, Association(pair.proxy) as association:
        association.exchange(target.address, b"hello")
        pair.host.signal(SIGSTOP)
        try:
            for _ in range(count):
                association.send(target.address, data)
                time.sleep(0.001)
            assert status_page(pair.proxy)["Datagrams dropped"] == "0"
            time.sleep(1.2)  # longer than a datagram may wait
        finally:
            pair.host.signal(SIGCONT)
        association.send(target.address, LAST)
        received = association.receive_until(LAST)
        dropped = int(status_page(pair.proxy)["Datagrams dropped"])
        assert 0 < dropped <= count - len(received)


def test_streams_run_on_beside_a_flood_of_datagrams(
    start_pair: StartPair, serve: StartTarget
) -> None:
    pair = start_pair()
    target = serve(source)
    with udp_target() as flooded, Association(pair.proxy) as association:
        datagram = datagram_header(flooded.address) + bytes(1200)
        with socks.connect(pair.proxy, target.address) as sock:
            request(sock, 7, SIZE)

            def flood(_: int) -> None:
                for _ in range(20):
                    association.socket.sendto(datagram, association.address)

            assert receive_pattern(sock, 7, moved=flood) == Received(7, SIZE, "eof")
        association.socket.settimeout(0.5)

        def works() -> None:
            association.send(flooded.address, LAST)
            try:
                association.receive_until(LAST)
            except TimeoutError as error:
                raise AssertionError("the association is dead") from error

        eventually(works)
