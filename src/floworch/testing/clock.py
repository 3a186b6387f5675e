"""A clock that shows the time of a virtual event loop."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from floworch.core.ports.clock import SystemClock

__all__ = ["VirtualClock"]

_START = datetime(2030, 1, 1, tzinfo=UTC)


class VirtualClock(SystemClock):
    """Shows ``start`` plus the seconds that have passed on the event loop, which must be the one that waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime = _START) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time())
