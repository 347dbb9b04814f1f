"""A Linux guest of somebody else's: nothing of what we put or start there outlasts the connection.

All that is ours lies in one folder, files that are uploaded to other places are written down, and
what is started has a mark in its environment, which its children inherit. What commands change
otherwise is the business of whoever runs them.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable
from dataclasses import replace

from .agent import Agent
from .agent_guest import AgentGuest
from .debian import Debian, DebianGuest
from .guest import Result
from .ssh import Access
from .ssh_guest import SSHGuest

MARK = "VSOCKS_HARNESS"
FOLLOWED = 10.0
"""Seconds until it is noticed that a program has ended whose output is followed."""

NEW = """\
root={folder}
case $root in /*) ;; *) root=$PWD/$root ;; esac
{{ echo; tar -tf {archive}; }} | while read -r name; do
    new=$root/$name
    [ -e "$new" ] && continue
    while above=${{new%/*}}; [ ! -e "${{above:-/}}" ]; do new=$above; done
    echo "$new"
done | sort -u"""
"""Prints what an archive is about to make: each file, or the uppermost folder that is new."""

END = """\
unset {name}
for _ in 1 2 3 4 5 6 7 8 9 10; do
    marked=$(grep -lszF {name}={value} /proc/[0-9]*/environ | tr -dc '0-9\\n')
    [ "$marked" ] || exit 0
    kill -KILL $marked 2> /dev/null
done
echo "still there: $marked" >&2
exit 1"""
"""Kills what has the mark; again, for a process may begin another one meanwhile."""


class Borrowed(Debian):
    """What the guests that are reached by SSH and by the agent have in common."""

    kind = "Linux, attached"

    def settle_in(self, port: str) -> None:
        """Make the folder that holds all that is ours. `port` is the name of vsocks's port."""
        self._mark = secrets.token_hex(8)
        self._made: list[str] = []
        self._folder = self.succeed("mktemp -d /var/tmp/vsocks-harness.XXXXXX").strip()
        self.home, self.logs, self.scratch, self.spool = (
            f"{self._folder}/{name}" for name in ("home", "logs", "scratch", "spool")
        )
        self.succeed(f"mkdir {self.scratch} {self.spool}")
        self.channel = f"virtio:{port}"
        self.port = f"/dev/virtio-ports/{port}"

    def unpack(self, path: str, folder: str) -> None:
        """As for any guest; what is new is written down, unless it is in our folder."""
        if not folder.startswith(f"{self._folder}/"):
            new = self.succeed(NEW.format(folder=folder, archive=path), timeout=120)
            self._made += new.splitlines()
        super().unpack(path, folder)

    def tidy(self) -> None:
        """End what was started, and remove what was put there. CommandError if something stays."""
        self.succeed(END.format(name=MARK, value=self._mark), timeout=120)
        self.succeed(shlex.join(["rm", "-rf", "--", *self._made, self._folder]), timeout=120)

    def marked(self, command: str) -> str:
        """The command, with the mark in the environment of what it starts."""
        return f"export {MARK}={self._mark}\n{command}"


class BorrowedByAgent(AgentGuest, Borrowed):
    """By qemu-guest-agent."""

    def __init__(self, connect: Callable[[], Agent], port: str) -> None:
        super().__init__(connect)
        try:
            self.settle_in(port)
        except BaseException:
            super().close()
            raise

    def run(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command line; `timeout` is for all of it, and 16 MiB for what it prints."""
        return replace(super().run(self.marked(command), timeout=timeout), command=command)

    def reconnect(self) -> None:
        """Connect anew if need be: the agent keeps open what a connection before has followed."""
        try:
            self._agent.ping()
        except OSError:
            super().reconnect()

    def close(self) -> None:
        """Tidy up, and hang up."""
        try:
            self.tidy()
            self._agent.await_followers(FOLLOWED)
        finally:
            super().close()


class BorrowedBySSH(DebianGuest, Borrowed):
    """By SSH."""

    def __init__(self, access: Access, port: str) -> None:
        Debian.__init__(self)
        SSHGuest.__init__(self, access)
        try:
            self.settle_in(port)
        except BaseException:
            super().close()
            raise

    def run(self, command: str, *, timeout: float = 60) -> Result:
        """Run a command line; `timeout` is for each wait for a sign of life."""
        return replace(super().run(self.marked(command), timeout=timeout), command=command)

    def close(self) -> None:
        """Tidy up, and hang up."""
        try:
            self.tidy()
        finally:
            super().close()
