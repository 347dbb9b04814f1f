"""When to ask whether the peer is still there, and when to give it up."""

from __future__ import annotations


class Heartbeat:
    """Watches one session for silence; times in seconds of any steady clock."""

    def __init__(self, now: float, interval: float, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._heard = now
        self._asked = now
        self._polled = now

    def heard(self, now: float) -> None:
        """Something whole came from the peer."""
        self._heard = now

    @property
    def next_poll(self) -> float:
        """When poll() should next be called."""
        return max(self._heard, self._asked) + self._interval

    def poll(self, now: float) -> bool:
        """Whether to ping the peer now.

        A daemon that was itself suspended wakes to a long silence that says nothing of the peer:
        time in which nobody polled doesn't count.
        """
        asleep = now - self._polled - 2 * self._interval
        if asleep > 0:
            self._heard = min(now, self._heard + asleep)
        self._polled = now
        if now < self.next_poll:
            return False
        self._asked = now
        return True

    def expired(self, now: float) -> bool:
        """Whether the peer has been silent for too long."""
        return now - self._heard > self._timeout
