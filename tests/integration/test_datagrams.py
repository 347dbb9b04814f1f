"""UDP ASSOCIATE: datagrams there and back, and what is no datagram for anybody."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.integration.conftest import StartPair
from tests.integration.support.http_client import status_page
from tests.integration.support.pair import Pair
from tests.integration.support.udp import Association, echo, keep, udp_target
from tests.integration.support.waiting import eventually
from tests.support.socks_messages import Address, datagram_header

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

LAST = b"the last one"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_datagram_goes_there_and_back(pair: Pair, host: str) -> None:
    with udp_target(host=host) as target, Association(pair.proxy) as association:
        assert association.exchange(target.address, b"hello") == (target.address, b"hello")


def test_a_target_may_have_a_name(pair: Pair) -> None:
    with udp_target() as target, Association(pair.proxy) as association:
        source, data = association.exchange(("localhost", target.port), b"hello")
        assert (source, data) == (("127.0.0.1", target.port), b"hello")


def test_an_association_over_ipv6(start_pair: StartPair) -> None:
    pair = start_pair(start=False)
    pair.guest_options = ("--listen", "[::1]:0")
    pair.start_host()
    guest = pair.start_guest(wait=False)
    port = int(guest.wait_for_log(r"listening on .* and \[::1\]:(\d+)")[1])
    pair.wait_session()
    with udp_target() as target, Association(("::1", port)) as association:
        assert association.address[0] == "::1"
        assert association.exchange(target.address, b"hello") == (target.address, b"hello")


@pytest.mark.parametrize("size", [0, 1, 1472, 65_000])
def test_any_size_that_fits(pair: Pair, size: int) -> None:
    data = bytes(range(256)) * 256
    with udp_target() as target, Association(pair.proxy) as association:
        assert association.exchange(target.address, data[:size])[1] == data[:size]


def test_one_that_is_too_long_for_the_way_back_is_lost_alone(pair: Pair) -> None:
    """UDP carries 65,507 bytes; on the way to the client the proxy's header needs some of them."""
    longest = 65_507

    def answer(sock: socket.socket, data: bytes, source: Address) -> None:
        sock.sendto(bytes(longest) if data == b"long" else data, source)

    with udp_target(answer) as target, Association(pair.proxy) as association:
        association.send(target.address, b"long")
        association.send(target.address, LAST)
        assert association.receive_until(LAST) == []


def test_several_targets_by_one_association(pair: Pair) -> None:
    with udp_target() as one, udp_target() as other, Association(pair.proxy) as association:
        for target in one, other, one:
            source, data = association.exchange(target.address, str(target.port).encode())
            assert (source, data) == (target.address, str(target.port).encode())
        assert one.received[0][1] == one.received[1][1], "one address as long as it lasts"


def test_several_clients_at_once(pair: Pair) -> None:
    with udp_target() as target:
        associations = [Association(pair.proxy) for _ in range(8)]
        for number, association in enumerate(associations):
            association.send(target.address, f"from {number}".encode())
        received = [association.receive()[1] for association in associations]
        for association in associations:
            association.close()
    assert received == [f"from {number}".encode() for number in range(8)]


MALFORMED: dict[str, Callable[[Address], bytes]] = {
    "a fragment": lambda to: datagram_header(to, fragment=1) + b"x",
    "the last fragment": lambda to: datagram_header(to, fragment=0x81) + b"x",
    "reserved bytes": lambda to: datagram_header(to, reserved=1) + b"x",
    "no bytes at all": lambda _: b"",
    "a part of a header": lambda to: datagram_header(to)[:-1],
    "an unknown kind of address": lambda to: b"\0\0\0\5" + datagram_header(to)[4:],
    "an empty name": lambda _: b"\0\0\0\3\0\0\5x",
    "a name that is none": lambda to: datagram_header(("no name", to[1])) + b"x",
    "garbage": lambda _: b"\xff" * 100,
}


def test_what_is_malformed_is_dropped_and_the_association_lives_on(pair: Pair) -> None:
    with udp_target() as target, Association(pair.proxy) as association:
        for make in MALFORMED.values():
            association.send_raw(make(target.address))
        association.send(target.address, LAST)
        assert association.receive_until(LAST) == []
        assert [data for data, _ in target.received] == [LAST]


@pytest.mark.parametrize("name", ["a..b", "-", "x" * 255, "no-such-host.invalid", "1.2.3.4.5"])
def test_a_name_without_address_is_no_end_of_anything(pair: Pair, name: str) -> None:
    with udp_target() as target, Association(pair.proxy) as association:
        association.send((name, target.port), b"to nobody")
        association.send((target.address[0], 0), b"to no port")
        association.send(target.address, LAST)
        assert association.receive_until(LAST) == []


def test_only_the_clients_socket_is_served(pair: Pair) -> None:
    """After the first datagram its port is the client's; another one gets and sends nothing."""
    with udp_target() as target, Association(pair.proxy) as association:
        association.exchange(target.address, b"the first")
        with association.new_socket() as other:
            other.sendto(datagram_header(target.address) + b"of somebody else", association.address)
            association.send(target.address, LAST)
            assert association.receive_until(LAST) == []
            other.setblocking(False)
            with pytest.raises(BlockingIOError):
                other.recv(100)
        assert [data for data, _ in target.received] == [b"the first", LAST]


def test_a_port_in_the_request_is_held_to(pair: Pair) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as told:
        told.bind(("127.0.0.1", 0))
        told.settimeout(20)
        said = told.getsockname()
        with udp_target() as target, Association(pair.proxy, said=said) as association:
            association.send(target.address, b"from another port than told")
            told.sendto(datagram_header(target.address) + LAST, association.address)
            assert told.recv(100).endswith(LAST)
            assert [data for data, _ in target.received] == [LAST]


def test_an_answer_may_come_from_another_port_of_the_target(pair: Pair) -> None:
    """TFTP does that. Address and port in the header tell the client."""
    with udp_target(keep) as other:

        def answer(sock: socket.socket, data: bytes, source: Address) -> None:
            other.socket.sendto(data, source)

        with udp_target(answer) as target, Association(pair.proxy) as association:
            assert association.exchange(target.address, b"hello") == (other.address, b"hello")


def test_answers_come_only_from_where_something_was_sent(pair: Pair) -> None:
    with (
        udp_target() as target,
        udp_target(keep, "127.0.0.2") as stranger,
        Association(pair.proxy) as association,
    ):
        association.exchange(target.address, b"hello")
        [(_, socket_of_the_host)] = target.received
        stranger.socket.sendto(b"not asked for", socket_of_the_host)
        association.send(target.address, LAST)
        assert association.receive_until(LAST) == []


def test_the_end_of_the_tcp_connection_ends_it(start_pair: StartPair) -> None:
    pair = start_pair(guest_options=("-v",), host_options=("--allow", "127.0.0.0/8", "-v"))
    with udp_target() as target, Association(pair.proxy) as association:
        association.exchange(target.address, b"hello")
        [(_, socket_of_the_host)] = target.received
        association.control.close()
        pair.host.wait_for_log("datagrams: 2 passed on, 0 dropped")
        pair.guest.wait_for_log("datagrams: 2 passed on, 0 dropped")
        _wait_free(socket_of_the_host)
        _wait_free(association.address)


def _wait_free(address: Address) -> None:
    """Until somebody else can have that port: nobody has the socket open any more."""

    def attempt() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind(("0.0.0.0", address[1]))
            except OSError as error:
                raise AssertionError(f"{address} is still open") from error

    eventually(attempt)


def test_what_the_client_says_on_the_tcp_connection_means_nothing(pair: Pair) -> None:
    with udp_target() as target, Association(pair.proxy) as association:
        association.control.sendall(b"\x05\x01\x00" * 10_000)
        assert association.exchange(target.address, b"hello")[1] == b"hello"


def test_associations_give_their_slots_back(start_pair: StartPair) -> None:
    pair = start_pair(guest_options=("--max-streams", "2", "--max-associations", "2"))
    with udp_target(echo) as target:
        for number in range(40):

            def attempt(word: bytes = str(number).encode()) -> None:
                try:
                    association = Association(pair.proxy)
                except Exception as error:
                    raise AssertionError("no slot is free") from error
                with association:
                    assert association.exchange(target.address, word)[1] == word

            eventually(attempt)

    def idle() -> None:
        page = status_page(pair.proxy)
        assert (page["Connections"], page["UDP associations"]) == ("0 of 2", "0 of 2")

    eventually(idle)
