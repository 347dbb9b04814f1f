"""The daemons' log."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vsocks.cli.log_throttle import LogThrottle

if TYPE_CHECKING:
    from collections.abc import Sequence


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (ISO 8601, UTC), level, message."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure(
    *, verbose: int, as_json: bool, handlers: Sequence[logging.Handler] | None = None
) -> None:
    """Log to ``handlers``, or to stderr: what an operator should know; more with ``verbose``.

    What is logged without ``verbose`` is bounded, whatever peers and clients do.
    """
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s")
    handlers = handlers or [logging.StreamHandler(sys.stderr)]
    for handler in handlers:
        handler.setFormatter(JsonFormatter() if as_json else text)
    logger = logging.getLogger("vsocks")
    logger.handlers = list(handlers)
    # At the handlers: a logger's own filter doesn't see what its children log.
    throttle = LogThrottle()
    for handler in handlers:
        handler.filters = [throttle]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
