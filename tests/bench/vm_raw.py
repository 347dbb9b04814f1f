"""The port alone: socat between it and /dev/null or /dev/zero, a plain socket on the host."""

import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .load.figures import Figures, Scale
from .load.loop import finish
from .load.transfer import drain, pour, read_exactly
from .vm_site import DEADLINE, Measure, Site, VMPeer

SOCAT = "socat -u -b 65536"
# The guest says first that it has opened the port: what is sent to a closed one may be lost.
DOWN = f"exec 3<>{{device}}; echo >&3; {SOCAT} FD:3,readbytes={{size}} OPEN:/dev/null; echo >&3"
# And it stays until it's told that all has been read: closing may discard the rest.
UP = (
    "exec 3<>{device}; echo >&3; read go <&3; "
    f"{SOCAT} OPEN:/dev/zero,readbytes={{size}} FD:3; read end <&3"
)


@contextmanager
def _up(site: Site) -> Iterator[Measure]:
    def measure(workload: str, scale: Scale) -> Figures:
        script, move = (DOWN, _down) if workload == "down1" else (UP, _upward)
        command = shlex.join(["sh", "-c", script.format(device=site.device, size=scale.size)])
        with socket.socket(socket.AF_UNIX) as pipe:
            pipe.settimeout(DEADLINE)
            pipe.connect(str(site.vm.socket()))
            process = site.guest.start("raw", command)
            try:
                finish(read_exactly(pipe, 1))
                begin = time.perf_counter()
                move(pipe, scale.size)
                seconds = time.perf_counter() - begin
            finally:
                process.kill()
        return {"down 1" if workload == "down1" else "up 1": scale.size / 1e6 / seconds}

    yield measure


def _down(pipe: socket.socket, size: int) -> None:
    finish(pour(pipe, size))
    finish(read_exactly(pipe, 1))


def _upward(pipe: socket.socket, size: int) -> None:
    pipe.sendall(b"\n")
    finish(drain(pipe, size))


raw = VMPeer(_up, ("down1", "up1"))
