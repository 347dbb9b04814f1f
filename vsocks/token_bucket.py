"""How often something may happen: a token bucket. Pure: the caller passes the time."""


class TokenBucket:
    """Permits ``per_second`` events in the long run, and up to ``burst`` of them at once.

    Without ``burst`` a second's worth may come at once, one at least.
    """

    def __init__(self, per_second: float, burst: int | None = None) -> None:
        if burst is None:
            burst = max(1, int(per_second))
        if per_second <= 0 or burst < 1:
            raise ValueError("a rate above zero and a burst of at least one are needed")
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = self._burst
        self._updated: float | None = None

    def take(self, *, now: float) -> bool:
        """Whether one more may happen at ``now`` (in seconds of any monotonic clock)."""
        if self._updated is not None:
            # A clock that went back gives nothing and takes nothing.
            passed = max(0.0, now - self._updated)
            self._tokens = min(self._burst, self._tokens + passed * self._per_second)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
