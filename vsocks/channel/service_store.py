"""The service manager's store of descriptors, which outlives the daemon and each restart.

systemd.service(5), FileDescriptorStoreMax=; sd_pid_notify_with_fds(3). What has hung up is dropped
by systemd itself.
"""

from __future__ import annotations

import sys

assert sys.platform == "linux"

import functools
import logging
import os
import socket
from typing import TYPE_CHECKING

from vsocks.aio import service_manager
from vsocks.channel.keeper import Keeper

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


class ServiceStore(Keeper):
    """Has the service manager keep the connection of one channel, which goes by ``key``."""

    def __init__(self, key: str) -> None:
        self._key = key

    async def take(self) -> socket.socket | None:
        return _handed_over().pop(self._key, None)

    async def keep(self, connection: socket.socket) -> None:
        service_manager.tell("FDSTORE=1", f"FDNAME={self._key}", descriptors=[connection.fileno()])

    def stays(self) -> bool:
        return service_manager.is_stopping()

    def close(self) -> None:
        pass


@functools.cache
def _handed_over() -> dict[str, socket.socket]:
    """The connections that the last daemon left, by key; taken from here by their new owners."""
    return dict(_take_over())


def _take_over() -> Iterator[tuple[str, socket.socket]]:
    for fd, name in enumerate(service_manager.names_of_kept(), service_manager.FIRST_DESCRIPTOR):
        os.set_inheritable(fd, False)
        try:
            yield name, socket.socket(fileno=fd)
        except OSError:
            log.warning("descriptor %d of the service manager is no socket", fd)
