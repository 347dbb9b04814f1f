"""The daemons' log."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vsocks.cli.line_handler import to_stream
from vsocks.cli.log_throttle import LogThrottle
from vsocks.mux.machine_log import MACHINE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (ISO 8601, UTC), level, message; the machine if several."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if machine := getattr(record, MACHINE, ""):
            entry["machine"] = machine
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class TextFormatter(logging.Formatter):
    """Time, level, the machine if there are several, message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The record as a line."""
        if machine := getattr(record, MACHINE, ""):
            record.message = f"{machine}: {record.message}"
        return super().formatMessage(record)


def configure_by(options: argparse.Namespace) -> None:
    """Log as a daemon's options say."""
    configure(verbose=options.verbose, as_json=options.log_format == "json")


def configure(
    *, verbose: int, as_json: bool, handlers: Sequence[logging.Handler] | None = None
) -> None:
    """Log to ``handlers``, or to stderr: what an operator should know; more with ``verbose``.

    What is logged without ``verbose`` is bounded, whatever peers and clients do.
    """
    text = TextFormatter("%(asctime)s %(levelname)-7s %(message)s")
    handlers = handlers or [to_stream(sys.stderr)]
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
