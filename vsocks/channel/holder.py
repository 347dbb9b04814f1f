"""A process that keeps the connections of channels, so that they outlive a daemon that is killed.

All daemons of a user share one. A daemon connects, by a unix socket of packets, and says

    take KEY    it is given the connection that the last daemon had, or told that there is none
    keep KEY    with the connection, of which a duplicate stays here

A connection that hangs up is forgotten, whoever ended it. When a daemon has gone without ending
its own, the next has a minute to take it up: the guest only waits meanwhile. Then it is ended, in
the orderly way. The process ends when it keeps nothing and serves nobody.

It needs little memory and so imports little, of vsocks nothing but how to end a connection, and
whose one is.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import contextlib
import math
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from vsocks.channel.peer_user import peer_user
from vsocks.channel.quiet import close_when_quiet

TAKE: Final = b"take "
KEEP: Final = b"keep "
NONE: Final = b"none"
GIVEN: Final = b"given"
#: Seconds that the next daemon has.
PATIENCE: Final = 60.0
#: Bytes of the longest key, and of a packet.
_LONGEST_KEY: Final = 100
_PACKET: Final = 128
#: Daemons' channels at once.
_MOST: Final = 1024


@dataclass(eq=False)
class _Kept:
    connection: socket.socket
    #: The daemon that has it, if one does; else until when the next may take it.
    owner: socket.socket | None
    until: float = math.inf


class Holder:
    """Keeps connections for those who come to ``listener``; run() until all is over."""

    def __init__(self, listener: socket.socket, patience: float = PATIENCE) -> None:
        self._listener = listener
        self._patience = patience
        self._epoll = select.epoll()
        self._actions: dict[int, Callable[[], None]] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._owners: set[socket.socket] = set()
        listener.setblocking(False)
        self._watch(listener, select.EPOLLIN, self._accept)

    def run(self) -> None:
        """Serve until nothing is kept and nobody is there."""
        self._accept()
        while self._has_work():
            for fd, _events in self._epoll.poll(self._seconds_left()):
                # What an earlier action has closed has none any more.
                if action := self._actions.get(fd):
                    action()
            self._end_what_nobody_took()

    def _has_work(self) -> bool:
        if not self._owners and not self._kept:
            # Whoever came in this moment is served still; the next find nobody.
            self._listener.shutdown(socket.SHUT_RD)
            self._accept()
        return bool(self._owners or self._kept)

    # -- daemons ---------------------------------------------------------------------------

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # nobody is left, or has gone already
            while True:
                owner, _ = self._listener.accept()
                if peer_user(owner) not in {0, os.geteuid()} or len(self._owners) >= _MOST:
                    owner.close()
                    continue
                owner.setblocking(False)
                self._owners.add(owner)
                self._watch(owner, select.EPOLLIN, partial(self._serve, owner))

    def _serve(self, owner: socket.socket) -> None:
        """Do what a daemon asks for; or notice that it has gone."""
        descriptors: list[int] = []
        try:
            packet, descriptors, _, _ = socket.recv_fds(owner, _PACKET, 1)
            sent = [socket.socket(fileno=fd) for fd in descriptors]
            word, key = packet[: len(TAKE)], packet[len(TAKE) :]
            if word == TAKE and not sent:
                self._give(key, owner)
            elif word == KEEP and len(sent) == 1 and len(key) <= _LONGEST_KEY:
                self._keep(key, sent[0], owner)
            else:
                self._leave(owner)
        except BlockingIOError:
            pass
        except OSError:
            self._leave(owner)

    def _give(self, key: bytes, owner: socket.socket) -> None:
        kept = self._kept.get(key)
        if kept is None:
            owner.send(NONE)
            return
        socket.send_fds(owner, [GIVEN], [kept.connection.fileno()])
        kept.owner, kept.until = owner, math.inf

    def _keep(self, key: bytes, connection: socket.socket, owner: socket.socket) -> None:
        if key in self._kept:
            self._forget(key)
        self._kept[key] = _Kept(connection, owner)
        # Without any event asked for, a hang-up is told all the same.
        self._watch(connection, select.EPOLLRDHUP, partial(self._forget, key))

    def _leave(self, owner: socket.socket) -> None:
        self._unwatch(owner)
        self._owners.discard(owner)
        owner.close()
        for kept in self._kept.values():
            if kept.owner is owner:
                kept.owner, kept.until = None, time.monotonic() + self._patience

    # -- connections -----------------------------------------------------------------------

    def _forget(self, key: bytes) -> None:
        """Keep it no longer; the daemon that has it, if one does, still does."""
        connection = self._kept.pop(key).connection
        self._unwatch(connection)
        connection.close()

    def _end_what_nobody_took(self) -> None:
        now = time.monotonic()
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            kept = self._kept.pop(key)
            self._unwatch(kept.connection)
            # The interpreter waits for its threads when it ends.
            threading.Thread(target=close_when_quiet, args=(kept.connection,)).start()

    def _seconds_left(self) -> float | None:
        until = min((kept.until for kept in self._kept.values()), default=math.inf)
        return None if until == math.inf else max(0.0, until - time.monotonic())

    def _watch(self, connection: socket.socket, events: int, action: Callable[[], None]) -> None:
        self._actions[connection.fileno()] = action
        self._epoll.register(connection, events)

    def _unwatch(self, connection: socket.socket) -> None:
        del self._actions[connection.fileno()]
        self._epoll.unregister(connection)


def main(listener: int, patience: float) -> None:
    """Be the process, with the descriptor of a socket that listens."""
    Holder(socket.socket(fileno=listener), patience).run()
