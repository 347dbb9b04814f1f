"""Who may use the proxy: how users are written, and that a check tells only yes or no."""

from __future__ import annotations

import hmac
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsocks.proxy import users as module
from vsocks.proxy.users import NO_USERS, User, UserError, Users, parse_user, parse_users, show_name

pytestmark = pytest.mark.unit

BOB, ANN = User("bob", "builder"), User("ann", "oh:colons")


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("bob:builder", BOB),
        ("ann:oh:colons", ANN),
        ("bob: ", User("bob", " ")),
        ("bob::", User("bob", ":")),
        ("bücher wurm:lösung", User("bücher wurm", "lösung")),
        ("n" * 255 + ":" + "p" * 255, User("n" * 255, "p" * 255)),
    ],
)
def test_a_user_is_a_name_and_a_password(text: str, user: User) -> None:
    assert parse_user(text) == user
    assert Users([user]).check(user.name.encode(), user.password.encode())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a user is NAME:PASSWORD, and here is no colon"),
        ("secret", "a user is NAME:PASSWORD, and here is no colon"),
        (":secret", "a user is NAME:PASSWORD, and here the name is empty"),
        ("bob:", "user 'bob': the password has 0 bytes, not 1 to 255"),
        ("bob:" + "secret" * 43, "user 'bob': the password has 258 bytes, not 1 to 255"),
        ("bob:secret\udcff", "user 'bob': the password is not UTF-8"),
        (
            "ü" * 128 + ":secret",
            f"user {'ü' * 128!a}: the name has 256 bytes, not 1 to 255",
        ),
        (
            " bob:secret",
            "user ' bob': a name has no control characters and no space at its ends",
        ),
        (
            "b\nob:secret",
            r"user 'b\nob': a name has no control characters and no space at its ends",
        ),
    ],
)
def test_what_is_no_user_is_told_in_one_line_without_the_password(text: str, message: str) -> None:
    with pytest.raises(UserError) as failure:
        parse_user(text)
    assert str(failure.value) == message
    assert "secret" not in message


@given(st.text())
def test_any_text_is_a_user_or_an_error_of_one_line(text: str) -> None:
    try:
        user = parse_user(text)
    except UserError as error:
        complaint = str(error)
    else:
        complaint = ""
        assert text == f"{user.name}:{user.password}"
        assert Users([user]).check(user.name.encode(), user.password.encode())
    assert complaint.isprintable()
    assert complaint.isascii()


def test_a_file_has_a_user_a_line_with_comments_and_blank_lines() -> None:
    lines = ["# who may\n", "\n", "bob:builder\r\n", "  # not him: eve:evil\n", "ann:oh:colons"]
    assert parse_users(lines) == [BOB, ANN]
    users = Users.parse(lines)
    assert users.check(b"bob", b"builder")
    assert users.check(b"ann", b"oh:colons")
    assert not users.check(b"eve", b"evil")


def test_a_password_in_a_file_keeps_its_spaces() -> None:
    assert parse_users(["bob: builder \n"]) == [User("bob", " builder ")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["bob:builder", "# a comment", "secret"], "line 3: a user is NAME:PASSWORD"),
        (["", "bob:builder", "bob:secret"], "line 3: user 'bob' is given twice"),
        (["ann:"], "line 1: user 'ann': the password has 0 bytes"),
    ],
)
def test_an_error_names_its_line_and_no_password(lines: list[str], message: str) -> None:
    with pytest.raises(UserError) as failure:
        Users.parse(lines)
    assert str(failure.value).startswith(message)
    assert "secret" not in str(failure.value)


def test_nobody_is_given_twice_not_from_two_sources_either() -> None:
    with pytest.raises(UserError, match="user 'bob' is given twice"):
        Users([BOB, User("bob", "another")])


def test_without_users_nobody_has_to_say_who_they_are_and_nobody_is_one() -> None:
    assert not NO_USERS.required
    assert not NO_USERS.check(b"", b"")
    assert Users([BOB]).required


@pytest.mark.parametrize(
    ("name", "password"),
    [
        (b"bob", b"oh:colons"),
        (b"ann:oh", b"colons"),
        (b"bob", b""),
        (b"", b"builder"),
        (b"bobb", b"uilder"),
        (b"Bob", b"builder"),
        (b"bob", b"builder\0"),
        (b"\xff", b"\xff" * 255),
    ],
)
def test_others_are_not_let_in(name: bytes, password: bytes) -> None:
    assert not Users([BOB, ANN]).check(name, password)


credentials = st.tuples(st.binary(max_size=255), st.binary(max_size=255))


@given(
    st.sampled_from([(b"bob", b"builder"), (b"ann", b"oh:colons"), (b"bob", b"x")]) | credentials
)
def test_each_check_compares_with_every_user_by_strings_of_one_length(
    presented: tuple[bytes, bytes],
) -> None:
    compared: list[tuple[int, int]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return hmac.compare_digest(left, right)

    users = Users([BOB, ANN, User("eve", "evil")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "compare_digest", compare)
        users.check(*presented)
    assert compared == [(32, 32)] * 3


def test_passwords_show_in_no_repr() -> None:
    assert "builder" not in repr(BOB)
    assert "builder" not in repr(vars(Users([BOB])))


def test_a_name_is_shown_quoted_short_and_harmless() -> None:
    assert show_name(b"bob") == "'bob'"
    assert show_name(b"bo\nb\xff") == r"'bo\nb\xff'"
    assert show_name(b"n" * 64) == "'" + "n" * 64 + "'"
    assert show_name(b"n" * 255) == "'" + "n" * 64 + "'…"


WITHOUT_OPENSSL = """
import sys
sys.modules.update(_hashlib=None, _ssl=None)
from vsocks.proxy.users import Users
print(Users.parse(["bob:builder"]).check(b"bob", b"builder"))
"""


def test_it_needs_no_openssl() -> None:
    """The Windows program comes without."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPENSSL],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.split(), done.stderr) == (["True"], "")


def test_checks_that_fail_are_counted_and_no_others() -> None:
    users = Users([User("alice", "sesame")])
    counts = [users.failures]
    for password in (b"sesame", b"guess", b"sesame", b"another"):
        users.check(b"alice", password)
        counts.append(users.failures)
    assert counts == [0, 0, 1, 1, 2]
