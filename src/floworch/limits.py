"""Limits for applications: how they stand, and what people may do about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from floworch.core.model.limits import Limit, LimitRecord, Rate, make_limit
from floworch.core.policy.limits import Tally
from floworch.errors import NotFound
from floworch.limit_names import LimitNames

if TYPE_CHECKING:
    from floworch.core.engine.engine import Engine
    from floworch.core.ports.limits import LimitUse
    from floworch.core.ports.storage import Storage
    from floworch.orchestrator import FlowOrchestrator

__all__ = ["LimitStatus", "Limits", "Used"]


@dataclass(frozen=True, slots=True)
class Used:
    """What is used of a limit now."""

    running: int = 0
    """Attempts that run."""
    waiting: int = 0
    """Ready steps, whatever they wait for: this limit, another one, or a worker."""


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """How one limit stands."""

    name: str
    """``type:HttpRequest``, ``flow:Orders``, or ``key:Orders`` for the limit that each key of a flow has."""
    limit: Limit | None
    """What holds; None where somebody has lifted it."""
    code: Limit | None
    """What the code that was started last says."""
    override: Limit | None
    """What somebody has set in its place; an empty limit where they have lifted it."""
    running: int
    waiting: int
    by_key: Mapping[str, Used] = field(default_factory=dict)
    """Of a limit per key: the keys of which steps run or are ready."""
    resumes_after: timedelta | None = None
    """How long it takes until the next attempt may start, where the rate is exhausted."""
    updated_at: datetime | None = None
    warning: str | None = None
    """Why it may limit nothing: nothing here is what it names, or no worker ever runs that."""


class Limits:
    """``orchestrator.limits``. Limits are named ``type:<step type>``, ``flow:<flow>`` and ``key:<flow>``, a flow by its
    name or id. What nothing here has may be named all the same, because other processes may have it: see
    :attr:`LimitStatus.warning`.

    A change is in the store when the method returns, and holds for every attempt that starts from then on, in whatever
    process, if the limit was there before. A new one other processes notice within ``idle_poll_seconds``. Attempts that
    run already go on.
    """

    def __init__(self, orchestrator: FlowOrchestrator, engine: Engine, store: Storage) -> None:
        self._engine = engine
        self._store = store
        self._names = LimitNames(orchestrator, engine)

    async def list(self) -> list[LimitStatus]:
        """All limits that the store has, by name."""
        use = await self._store.limit_use(waiting=True)
        return sorted((self._status(record, use) for record in use.records), key=lambda status: status.name)

    async def get(self, name: str) -> LimitStatus:
        """One limit. Raises NotFound where nothing limits that."""
        wanted = self._names.stored(name)
        use = await self._store.limit_use(waiting=True)
        found = next((record for record in use.records if record.name == wanted), None)
        if found is None:
            raise NotFound(f"nothing limits {name!r}; limits.set() does, and limits.list() tells what is limited")
        return self._status(found, use)

    async def set(self, name: str, *, concurrency: int | None = None, rate: Rate | None = None) -> None:
        """Let this hold in place of what the code says, also after a restart. What is not given is not limited.

        Raises ConfigurationError for what is no limit, NotFound for an unknown name.
        """
        await self._override(name, make_limit(concurrency, rate))

    async def lift(self, name: str) -> None:
        """Limit nothing, whatever the code says, until somebody sets it or resets it. Raises NotFound."""
        await self._override(name, Limit())

    async def reset_to_code(self, name: str) -> None:
        """Do as the code says: the end of what was set or lifted. Raises NotFound."""
        await self._override(name, None)

    async def _override(self, name: str, override: Limit | None) -> None:
        await self._store.override_limit(self._names.stored(name), override, self._engine.settings.worker_id)
        await self._engine.limits.load()
        self._engine.look_soon()

    def _status(self, record: LimitRecord, use: LimitUse) -> LimitStatus:
        quotas = [quota for quota in {*use.running, *use.waiting} if quota.limit == record.name]
        used = {quota.key: Used(use.running.get(quota, 0), use.waiting.get(quota, 0)) for quota in quotas}
        in_force = {} if record.in_force is None else {record.name: record.in_force}
        resumes_at = Tally(in_force, use.running, use.arrivals, use.at).resumes_at
        return LimitStatus(
            name=self._names.shown(record.name),
            limit=record.in_force,
            code=record.code,
            override=record.override,
            running=sum(each.running for each in used.values()),
            waiting=sum(each.waiting for each in used.values()),
            by_key={key: used[key] for key in sorted(used) if key},
            resumes_after=None if resumes_at is None else resumes_at - use.at,
            updated_at=record.updated_at,
            warning=self._names.warning(record.name),
        )
