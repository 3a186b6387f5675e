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

    def __init__(self, clock: Clock, *, long_outage_seconds: float) -> None:
        """``long_outage_seconds``: after an outage that long, leases may have run out that nobody could renew."""
        self._log = get_library_logger("floworch.engine")
        self._clock = clock
        self._failing: dict[str, datetime] = {}
        """Use → when the store was last there before the use failed."""
        self._last_success = self._began_at = clock.now()
        self._long_outage = timedelta(seconds=long_outage_seconds)
        self._long_outage_ended_at: datetime | None = None

    @property
    def is_up(self) -> bool:
        """Whether the last use of every kind went well."""
        return not self._failing

    def failed(self, use: str, error: Exception) -> None:
        if not self._failing:
            self._began_at = self._last_success
            self._log.warning("storage_unavailable", while_doing=use, error=str(error))
        self._failing.setdefault(use, self._last_success)

    def succeeded(self, use: str) -> None:
        self._last_success = now = self._clock.now()
        since = self._failing.pop(use, None)
        if since is None:
            return
        # From the first use that gets through. Others may take seconds longer, and one of them may never succeed.
        if now - since >= self._long_outage:
            self._long_outage_ended_at = now
        if not self._failing:
            self._log.warning("storage_available", after_seconds=round((now - self._began_at).total_seconds(), 3))

    def ceased(self, use: str) -> None:
        """There is nothing to use it for any more; how the last use went says nothing about the present."""
        if self._failing.keys() == {use}:
            self.succeeded(use)
        self._failing.pop(use, None)

    def has_had_long_outage(self, *, within_seconds: float) -> bool:
        """Whether a long outage ended not longer ago than that, however many short ones have followed it."""
        ended_at = self._long_outage_ended_at
        return ended_at is not None and self._clock.now() - ended_at < timedelta(seconds=within_seconds)
