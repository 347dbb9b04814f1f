"""Who may use the proxy: names and passwords, compared without leaking how near a guess was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from vsocks.errors import UsageError, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

#: RFC 1929 has one byte for the length of a name, and one for that of a password.
_MAX_SIZE: Final = 255
#: Bytes of a client's name that a log line shows.
_SHOWN: Final = 64


class UserError(UsageError):
    """A malformed user; the message is one line, and never shows a password."""


@dataclass(frozen=True, slots=True)
class User:
    """A configured user of the proxy."""

    name: str
    password: str = field(repr=False)


class Users:
    """All users of the proxy. Passwords are kept as digests only."""

    def __init__(self, users: Iterable[User] = ()) -> None:
        """Raises UserError when two have the same name."""
        #: How many checks have failed so far.
        self.failures = 0
        self._digests: dict[str, bytes] = {}
        for user in users:
            if user.name in self._digests:
                raise _given_twice(user)
            self._digests[user.name] = _digest(user.name.encode(), user.password.encode())

    @classmethod
    def parse(cls, lines: Iterable[str]) -> Users:
        """The users of a file, see ``parse_users``."""
        return cls(parse_users(lines))

    @property
    def required(self) -> bool:
        """Whether clients have to log in: any user is configured."""
        return bool(self._digests)

    def check(self, name: bytes, password: bytes) -> bool:
        """Whether this is one of the users; False if there are none.

        The time this takes depends on what the client sent and on the number of users, not on
        which of them exists or where a string differs: all are compared, by their digests.
        """
        presented = _digest(name, password)
        found = False
        for digest in self._digests.values():
            found |= compare_digest(presented, digest)
        self.failures += not found
        return found


#: Nobody in particular: clients need not say who they are.
NO_USERS: Final = Users()


def parse_user(text: str) -> User:
    """The user in ``NAME:PASSWORD``; the password may contain colons. Raises UserError."""
    name, colon, password = text.partition(":")
    if not colon:
        # Not shown: it may well be a password.
        raise UserError("a user is NAME:PASSWORD, and here is no colon")
    if not name:
        raise UserError("a user is NAME:PASSWORD, and here the name is empty")
    if not name.isprintable() or name != name.strip():
        raise UserError(f"user {name!a}: a name has no control characters and no space at its ends")
    _check_size("the name", name, name)
    _check_size("the password", password, name)
    return User(name, password)


def parse_users(lines: Iterable[str]) -> list[User]:
    """The users of a file: one ``NAME:PASSWORD`` a line; blank lines and # comments are skipped.

    Only the line's end is stripped: a password may begin or end with a space. Raises UserError,
    which names the line.
    """
    users: dict[str, User] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            user = parse_user(line.rstrip("\r\n"))
            if user.name in users:
                raise _given_twice(user)
        except UserError as error:
            raise UserError(f"line {number}: {describe(error)}") from None
        users[user.name] = user
    return list(users.values())


def show_name(name: bytes) -> str:
    """A name as a client gave it, quoted and safe for a log line."""
    return repr(name[:_SHOWN])[1:] + ("…" if len(name) > _SHOWN else "")


def _given_twice(user: User) -> UserError:
    return UserError(f"user {user.name!a} is given twice")


def _check_size(what: str, text: str, name: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise UserError(f"user {name!a}: {what} is not UTF-8") from None
    if not 0 < size <= _MAX_SIZE:
        raise UserError(f"user {name!a}: {what} has {size} bytes, not 1 to {_MAX_SIZE}")


def _digest(name: bytes, password: bytes) -> bytes:
    """A digest; name and password can't be confused, whatever colons are in them."""
    return hashlib.sha256(len(name).to_bytes(4, "big") + name + password).digest()
