"""Whether limits let an attempt start now. Pure: what is used up, and the time, are passed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from floworch.core.model.limits import Limit, Quota, Rate, flow_limit, key_limit, type_limit

__all__ = ["Group", "Tally", "counted", "quotas_of"]

Group = tuple[str, UUID, str | None, int]
"""Type, flow, key of the run, and how many steps there are of these."""


def quotas_of(step_type: str, flow_id: UUID, key: str | None) -> tuple[Quota, ...]:
    """All quotas that a step may have to share, whether or not anything is limited."""
    shared = (Quota(type_limit(step_type)), Quota(flow_limit(flow_id)))
    return shared if key is None else (*shared, Quota(key_limit(flow_id), key))


def counted(groups: Iterable[Group]) -> Counter[Quota]:
    """Quota → how many of the steps share it."""
    counts: Counter[Quota] = Counter()
    for step_type, flow_id, key, count in groups:
        for quota in quotas_of(step_type, flow_id, key):
            counts[quota] += count
    return counts


class Tally:
    """What is used up of limits, kept while starts are granted one after the other.

    ``limits`` are by name. ``arrivals`` are the theoretical arrival times of the generic cell rate algorithm (ITU-T
    I.371): the instant at which the next start would be on time. Whatever is missing has been quiet.
    """

    def __init__(
        self,
        limits: Mapping[str, Limit],
        running: Mapping[Quota, int],
        arrivals: Mapping[Quota, datetime],
        now: datetime,
    ) -> None:
        self._limits = limits
        self._running = Counter(running)
        self._arrivals = dict(arrivals)
        self._now = now
        self.moved: dict[Quota, datetime] = {}
        """New arrival times of the rates that have granted something."""

    def grants(self, quotas: Iterable[Quota]) -> bool:
        """Whether an attempt that shares these may start now."""
        return all(not self._is_full(quota) and self._resumes_at(quota) <= self._now for quota in quotas)

    def take(self, quotas: Iterable[Quota]) -> None:
        """It starts."""
        for quota in quotas:
            self._running[quota] += 1
            rate = self._rate(quota)
            if rate is not None:
                on_time = max(self._arrivals.get(quota, self._now), self._now)
                self._arrivals[quota] = self.moved[quota] = on_time + _spacing(rate)

    def grant(self, wanted: Sequence[Sequence[Quota]]) -> list[bool]:
        """Which of these may start now, if those before them do. Grants nothing yet."""
        ahead = Tally(self._limits, self._running, self._arrivals, self._now)
        granted: list[bool] = []
        for quotas in wanted:
            granted.append(ahead.grants(quotas))
            if granted[-1]:
                ahead.take(quotas)
        return granted

    @property
    def exhausted(self) -> list[Quota]:
        """Quotas of which nothing is left now."""
        known = self._running.keys() | self._arrivals.keys()
        return [quota for quota in known if quota.limit in self._limits and not self.grants([quota])]

    @property
    def resumes_at(self) -> datetime | None:
        """When the first rate that is exhausted grants again; None when none is. Rates of what is full do not count:
        they have to wait for something to end."""
        waits = (self._resumes_at(quota) for quota in self.exhausted if not self._is_full(quota))
        return min(waits, default=None)

    def _is_full(self, quota: Quota) -> bool:
        limit = self._limits.get(quota.limit)
        return limit is not None and limit.concurrency is not None and self._running[quota] >= limit.concurrency

    def _resumes_at(self, quota: Quota) -> datetime:
        rate, arrival = self._rate(quota), self._arrivals.get(quota)
        if rate is None or arrival is None:
            return self._now
        return arrival - (rate.burst - 1) * _spacing(rate)

    def _rate(self, quota: Quota) -> Rate | None:
        limit = self._limits.get(quota.limit)
        return None if limit is None else limit.rate


def _spacing(rate: Rate) -> timedelta:
    # Rounded up: rounded down, one more would fit into the time.
    return timedelta(microseconds=ceil(rate.per_seconds * 1_000_000 / rate.count))
