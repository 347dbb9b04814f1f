"""Telling the service manager that the event loop still has turns."""

from __future__ import annotations

import asyncio

from vsocks.aio import service_manager


async def feed_watchdog() -> None:
    """Tell it in time, until cancelled; returns at once if nobody wants to know."""
    interval = service_manager.watchdog_interval()
    while interval is not None:
        service_manager.tell("WATCHDOG=1")
        await asyncio.sleep(interval / 2)
