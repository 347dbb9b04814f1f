"""Round trips: 64 bytes there and back on one open connection, as a keystroke goes."""

import time

from .route import Route
from .target import ECHO, ORDER

KEYSTROKE = b"k" * 64


def round_trips(route: Route, seconds: float) -> list[float]:
    """Seconds of each round trip, one after the other."""
    times = []
    with route.dial() as sock:
        sock.sendall(ORDER.pack(ECHO, 0))
        stop = time.perf_counter() + seconds
        while (begin := time.perf_counter()) < stop:
            sock.sendall(KEYSTROKE)
            missing = len(KEYSTROKE)
            while missing:
                piece = sock.recv(missing)
                if not piece:
                    raise ConnectionError("the echo ended early")
                missing -= len(piece)
            times.append(time.perf_counter() - begin)
    return times
