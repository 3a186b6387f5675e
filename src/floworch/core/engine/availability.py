"""Whether the store can be reached, and how long to wait before it is tried again."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from floworch.core.ports.clock import Clock
from floworch.observability.logging import get_library_logger

__all__ = ["Availability", "Backoff"]

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0


class Backoff:
    """Pauses that grow, and that differ between processes which have failed at the same moment."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def next_seconds(self) -> float:
        pause_seconds = self._pause_seconds * self._chance.uniform(0.5, 1.0)
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        return pause_seconds

    def reset(self) -> None:
        self._pause_seconds = _FIRST_PAUSE_SECONDS


class Availability:
    """Told by everybody who uses the store regularly how the last use went, by the name of what it was used for.

    An outage is logged when it begins and when it ends, however many uses fail meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._log = get_library_logger("floworch.engine")
        self._clock = clock
        self._failing: set[str] = set()
        self._last_success = clock.now()
        self._outage = timedelta(0)
        self._recovered_at: datetime | None = None

    @property
    def is_up(self) -> bool:
        """Whether the last use of every kind went well."""
        return not self._failing

    def failed(self, use: str, error: Exception) -> None:
        if not self._failing:
            self._log.warning("storage_unavailable", while_doing=use, error=str(error))
        self._failing.add(use)

    def succeeded(self, use: str) -> None:
        now = self._clock.now()
        if self._failing:
            self._failing.discard(use)
            if not self._failing:
                self._outage = now - self._last_success
                self._recovered_at = now
                self._log.warning("storage_available", after_seconds=round(self._outage.total_seconds(), 3))
        if not self._failing:
            self._last_success = now

    def ceased(self, use: str) -> None:
        """There is nothing to use it for any more; how the last use went says nothing about the present."""
        if self._failing == {use}:
            self.succeeded(use)
        self._failing.discard(use)

    def has_just_ended_outage(self, *, longer_than_seconds: float, ago_seconds: float) -> bool:
        """Whether the last outage was as long, and ended not longer ago than that."""
        if self._recovered_at is None or self._outage < timedelta(seconds=longer_than_seconds):
            return False
        return self._clock.now() - self._recovered_at < timedelta(seconds=ago_seconds)
