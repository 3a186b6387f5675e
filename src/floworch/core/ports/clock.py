"""Time as the engine sees it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Tells the time and waits. Replaced by a virtual clock in tests."""

    def now(self) -> datetime:
        """Current time, aware, UTC."""
        ...

    async def wait(self, event: asyncio.Event, timeout_seconds: float | None) -> bool:
        """Wait until the event is set (True) or the time is up (False)."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait(self, event: asyncio.Event, timeout_seconds: float | None) -> bool:
        if timeout_seconds is None:
            return await event.wait()
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True
