"""Limits of the in-memory store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from floworch.core.model.limits import Limit, LimitRecord, Quota
from floworch.core.model.status import StepStatus
from floworch.core.policy.limits import Group, Tally, counted
from floworch.core.ports.clock import Clock
from floworch.core.ports.limits import LimitStorage, LimitUse
from floworch.storage.memory.rows import RunRow, StepRow

__all__ = ["KeepsLimits", "Limits"]


class Limits:
    """``active`` gives the runs that go on."""

    def __init__(self, active: Mapping[UUID, RunRow]) -> None:
        self._active = active
        self._records: dict[str, LimitRecord] = {}
        self._arrivals: dict[Quota, datetime] = {}

    def save(self, code: Mapping[str, Limit], known: Collection[str], now: datetime) -> None:
        """See :meth:`LimitStorage.save_limits <floworch.core.ports.limits.LimitStorage.save_limits>`."""
        for name in {*code, *known}:
            record = self._records.get(name) or LimitRecord(name, None)
            self._keep(replace(record, code=code.get(name), updated_at=now))

    def override(self, name: str, override: Limit | None, now: datetime) -> None:
        """See :meth:`LimitStorage.override_limit <floworch.core.ports.limits.LimitStorage.override_limit>`."""
        record = self._records.get(name) or LimitRecord(name, None)
        self._keep(replace(record, override=override, updated_at=now))

    def use(self, now: datetime, *, waiting: bool) -> LimitUse:
        """See :meth:`LimitStorage.limit_use <floworch.core.ports.limits.LimitStorage.limit_use>`."""
        if not self._records:
            return LimitUse(now)
        return LimitUse(
            at=now,
            records=[self._records[name] for name in sorted(self._records)],
            running=counted(self._groups(_is_leased)),
            arrivals={quota: at for quota, at in self._arrivals.items() if at > now},
            waiting=counted(self._groups(_is_ready)) if waiting else {},
        )

    def tally(self, now: datetime) -> Tally:
        """For the claims of a batch."""
        return self.use(now, waiting=False).tally()

    def keep_arrivals(self, moved: Mapping[Quota, datetime]) -> None:
        """What the tally has granted was started."""
        self._arrivals.update(moved)

    def forget_arrivals(self, now: datetime) -> int:
        """See :meth:`LimitStorage.forget_arrivals <floworch.core.ports.limits.LimitStorage.forget_arrivals>`."""
        old = [quota for quota, at in self._arrivals.items() if at <= now]
        for quota in old:
            del self._arrivals[quota]
        return len(old)

    def _keep(self, record: LimitRecord) -> None:
        known = self._records.get(record.name)
        if record.rate != (None if known is None else known.rate):
            self._arrivals = {quota: at for quota, at in self._arrivals.items() if quota.limit != record.name}
        if record.code is None and record.override is None:
            self._records.pop(record.name, None)
        else:
            self._records[record.name] = record

    def _groups(self, is_wanted: Callable[[StepRow], bool]) -> Iterable[Group]:
        for run in self._active.values():
            for row in run.steps.values():
                if is_wanted(row):
                    yield row.type, run.facts.flow_id, run.facts.concurrency_key, 1


class KeepsLimits(LimitStorage):
    """The part of the store that is about limits."""

    _clock: Clock
    _limits: Limits

    async def save_limits(self, code: Mapping[str, Limit], known: Collection[str]) -> None:
        self._limits.save(code, known, self._clock.now())

    async def override_limit(self, name: str, override: Limit | None, caller: str | None = None) -> None:
        self._limits.override(name, override, self._clock.now())

    async def limit_use(self, *, waiting: bool = False) -> LimitUse:
        return self._limits.use(self._clock.now(), waiting=waiting)

    async def forget_arrivals(self) -> int:
        return self._limits.forget_arrivals(self._clock.now())


def _is_leased(row: StepRow) -> bool:
    return row.lease_until is not None


def _is_ready(row: StepRow) -> bool:
    return row.state.status is StepStatus.READY
