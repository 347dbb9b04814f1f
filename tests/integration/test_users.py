"""Users: who gets in, by every protocol, and that no password ever shows."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import StartPair, StartTarget
from tests.integration.support.behaviours import echo
from tests.integration.support.http_client import HttpClient, get, request, status_page
from tests.integration.support.http_server import describe, scripted, url
from tests.integration.support.pair import Pair
from tests.integration.support.udp import Association, udp_target
from tests.integration.support.waiting import DEADLINE
from tests.support import socks
from tests.support.receiving import receive_all, receive_exactly
from tests.support.socks import User, greet_as
from tests.support.socks import request as socks_request
from tests.support.socks_messages import CONNECT, Address, Reply, encode_request

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

ALICE: User = ("alice", "open:sesame")
BOB: User = ("böb", "pässword with spaces ")
SECRETS = ["sesame", "pässword", "c2VzYW1l", "wrong1"]


@pytest.fixture
def pair(start_pair: StartPair, tmp_path: Path) -> Pair:
    """A pair that knows Alice by an option, Bob by a file, and Carol by the environment."""
    users = tmp_path / "users"
    users.write_text(f"# friends\n\n{BOB[0]}:{BOB[1]}\n", encoding="utf-8")
    return start_pair(
        guest_options=("-v", "--user", ":".join(ALICE), "--users-file", str(users)),
        environment={"VSOCKS_USERS": "carol:c1\n# nobody\ndave:d1\n"},
    )


def basic(user: User) -> str:
    """The header of a client that says who it is."""
    return f"Proxy-Authorization: Basic {base64.b64encode(':'.join(user).encode()).decode()}"


def assert_no_secret(text: str) -> None:
    """Hold a log to it."""
    encoded = [base64.b64encode(":".join(user).encode()).decode() for user in (ALICE, BOB)]
    assert [secret for secret in (*SECRETS, *encoded) if secret in text] == []


@pytest.mark.parametrize("user", [ALICE, BOB, ("carol", "c1"), ("dave", "d1")])
def test_every_user_gets_in_by_every_protocol(pair: Pair, serve: StartTarget, user: User) -> None:
    target, web = serve(echo), serve(scripted(describe))
    sock, answer = socks_request(pair.proxy, target.address, command=CONNECT, user=user)
    with sock:
        assert answer.reply == Reply.SUCCEEDED
        sock.sendall(b"hello")
        assert receive_exactly(sock, 5) == b"hello"
    with udp_target() as udp, Association(pair.proxy, user=user) as association:
        assert association.exchange(udp.address, b"hello")[1] == b"hello"
    with HttpClient(pair.proxy) as client:
        assert client.get(url(web), basic(user)).status == 200
        client.send(request("CONNECT", f"127.0.0.1:{target.port}", basic(user)))
        assert client.head().status == 200
    assert_no_secret("\n".join(pair.guest.lines + pair.host.lines))


WRONG: list[User] = [
    ("alice", "wrong1"),
    ("alice", "open:sesam"),
    ("alice", "open:sesame\0"),
    ("Alice", "open:sesame"),
    ("carol", "d1"),
    ("alice:open", "sesame"),
    ("alic", "eopen:sesame"),
    ("mallory", "open:sesame"),
]


def test_nobody_else_does(pair: Pair, serve: StartTarget) -> None:
    target = serve(echo)
    for user in WRONG:
        with socks.dial(pair.proxy) as sock:
            assert not greet_as(sock, user)
            assert receive_all(sock) == b""
    for user in WRONG:
        if user[0] == "alice:open":
            continue  # in HTTP that is how Alice is written
        for method, where in ("GET", url(target)), ("CONNECT", f"127.0.0.1:{target.port}"):
            with HttpClient(pair.proxy) as client:
                client.send(request(method, where, basic(user)))
                assert client.response().status == 407
    assert target.accepted() == 0
    pair.guest.wait_for_log("client refused: .*'mallory'")
    assert_no_secret("\n".join(pair.guest.lines))


def test_who_says_nothing_is_asked(pair: Pair, serve: StartTarget) -> None:
    target = serve(scripted(describe))
    with socks.dial(pair.proxy) as sock:
        sock.sendall(b"\x05\x01\x00")
        assert receive_all(sock) == b"\x05\xff"
    with socks.dial(pair.proxy) as sock:
        sock.sendall(b"\x05\x02\x00\x02")
        assert receive_exactly(sock, 2) == b"\x05\x02", "asked, though it would rather not"
    page = get(pair.proxy, url(target))
    assert (page.status, page.headers["proxy-authenticate"][:5]) == (407, "Basic")
    assert get(pair.proxy, url(target), basic(ALICE)).status == 200


def test_who_has_skipped_the_question_gets_no_answer(pair: Pair, serve: StartTarget) -> None:
    """A client that goes on as if it were let in: its request is never looked at."""
    target = serve(echo)
    for said in b"\x05\x01\x02", b"\x05\x02\x00\x02", b"\x05\x01\x00":
        with socks.dial(pair.proxy) as sock:
            sock.sendall(said + encode_request(target.address))
            try:
                assert b"\x05\x00\x00\x01" not in receive_all(sock)
            except ConnectionResetError:
                continue
    assert target.accepted() == 0


@pytest.mark.parametrize(
    "header",
    [
        "Proxy-Authorization: Bearer abc",
        "Proxy-Authorization: Basic !!!",
        "Proxy-Authorization: Basic",
        "Proxy-Authorization: Basic YWxpY2U=",
        f"{basic(ALICE)}\r\n{basic(ALICE)}",
        basic(ALICE).replace("Proxy-", ""),
    ],
)
def test_credentials_of_another_kind_are_none(pair: Pair, serve: StartTarget, header: str) -> None:
    target = serve(scripted(describe))
    assert get(pair.proxy, url(target), header).status == 407
    assert target.accepted() == 0


def test_each_request_is_asked_anew(pair: Pair, serve: StartTarget) -> None:
    target = serve(scripted(describe))
    with HttpClient(pair.proxy) as client:
        assert client.get(url(target), basic(ALICE)).status == 200
        assert client.get(url(target)).status == 407
        assert client.is_ended()


def test_servers_never_see_credentials(pair: Pair, serve: StartTarget) -> None:
    headers: list[str] = []
    target = serve(scripted(lambda server: headers.extend(server.request().headers)))
    with HttpClient(pair.proxy) as client:
        client.send(request("GET", url(target), basic(ALICE)))
        client.response()
    assert "via" in headers
    assert "proxy-authorization" not in headers


def test_the_proxys_own_pages_are_for_all(pair: Pair) -> None:
    """A browser fetches its PAC file before it knows that there is a proxy."""
    assert status_page(pair.proxy)["Session with the host"] == "up"
    pac = get(pair.proxy, "/proxy.pac")
    assert (pac.status, pair.proxy_text in pac.text) == (200, True)
    for text in pac.text, get(pair.proxy, "/").text:
        assert "alice" not in text
        assert_no_secret(text)


# -- what is wrong with the options ------------------------------------------------------------


def _start(
    *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`vsocks guest` with options that it must not take."""
    return subprocess.run(
        [sys.executable, "-m", "vsocks", "guest", "--channel", "unix:x", *options],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )


def _assert_refused(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "sesame" not in done.stderr


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("sesame", "no colon"),
        (":sesame", "name is empty"),
        ("alice:", "0 bytes"),
        (f"alice:{'sesame' * 50}", "300 bytes"),
        (f"{'a' * 256}:sesame", "256 bytes"),
        ("al\x07ice:sesame", "control characters"),
    ],
)
def test_a_user_that_is_none_is_one_line(tmp_path: Path, user: str, says: str) -> None:
    _assert_refused(_start("--user", user), says)
    _assert_refused(_start(environment={"VSOCKS_USERS": f"# x\n{user}"}), "VSOCKS_USERS: line 2")
    users = tmp_path / "users"
    users.write_text(f"bob:b\n\n{user}\n")
    _assert_refused(_start("--users-file", str(users)), f"{users}: line 3")


def test_a_user_given_twice_is_one_line(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice:sesame1\n")
    twice = "'alice' is given twice"
    _assert_refused(_start("--user", "alice:sesame1", "--user", "alice:sesame2"), twice)
    _assert_refused(_start("--user", "alice:sesame1", "--users-file", str(users)), twice)
    _assert_refused(_start(environment={"VSOCKS_USERS": "alice:sesame\nalice:sesame"}), twice)
    users.write_text("alice:sesame1\nalice:sesame1\n")
    _assert_refused(_start("--users-file", str(users)), twice)


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    users = tmp_path / "users"
    _assert_refused(_start("--users-file", str(users)), "No such file")
    _assert_refused(_start("--users-file", str(tmp_path)), "directory")
    users.write_bytes(b"alice:\xff\xfesesame\n")
    _assert_refused(_start("--users-file", str(users)), "not UTF-8")
    users.write_bytes(b"# sesame\n" * 200_000)
    _assert_refused(_start("--users-file", str(users)), "longer than")


@pytest.mark.parametrize("text", ["", "\n\n", "# alice:sesame\n"])
def test_to_name_nobody_is_not_to_let_everybody_in(tmp_path: Path, text: str) -> None:
    users = tmp_path / "users"
    users.write_text(text)
    _assert_refused(_start("--users-file", str(users)), f"{users} names no user")
    _assert_refused(_start(environment={"VSOCKS_USERS": text}), "VSOCKS_USERS names no user")


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice:sesame\n")
    for mode in (0o620, 0o602):
        users.chmod(mode)
        _assert_refused(_start("--users-file", str(users)), f"chmod go-w {users}")


def test_a_file_that_others_can_read_is_warned_of(start_pair: StartPair, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice:sesame\n")
    users.chmod(0o644)
    pair = start_pair(guest_options=("--users-file", str(users)))
    pair.guest.wait_for_log(f"WARNING {users} can be read by others")


def test_guesses_wait_and_who_knows_does_not(pair: Pair, serve: StartTarget) -> None:
    target = serve(echo)
    with ExitStack() as stack:
        guessers = [stack.enter_context(socks.dial(pair.proxy)) for _ in range(15)]
        for sock in guessers:
            sock.sendall(b"\x05\x01\x02")
            assert receive_exactly(sock, 2) == b"\x05\x02"
            sock.sendall(b"\x01\x05alice\x06wrong1")
        with socks.dial(pair.proxy) as knows:
            assert greet_as(knows, ALICE)
            knows.sendall(encode_request(target.address))
            assert receive_exactly(knows, 2) == b"\x05\x00"
        guessers[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            guessers[-1].recv(1)
        guessers[-1].settimeout(DEADLINE)
        assert receive_exactly(guessers[-1], 2) == b"\x01\x01"


def test_users_of_several_places_are_all_that_there_are(pair: Pair, serve: StartTarget) -> None:
    address: Address = serve(echo).address
    for name in "alice", "böb", "carol", "dave", "nobody", "# friends":
        with socks.dial(pair.proxy) as sock:
            assert not greet_as(sock, (name, "x")), address
