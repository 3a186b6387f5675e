"""Gathers what an explanation needs to know. Reads only, and works for runs of whatever process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from floworch.core.dag.keys import outermost_iteration
from floworch.core.engine.plans import Plans
from floworch.core.engine.reuse import reused_from
from floworch.core.engine.runs import Runs
from floworch.core.engine.settings import EngineSettings
from floworch.core.explain import (
    Explanation,
    Reason,
    ReasonCode,
    Situation,
    UsedUp,
    explain_run,
    explain_step,
    has_step,
)
from floworch.core.handlers.lookup import Handlers
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.state import RunState
from floworch.core.model.limits import Limit, Quota
from floworch.core.model.records import StepRecord
from floworch.core.model.spelling import did_you_mean
from floworch.core.policy.limits import Tally
from floworch.core.ports.clock import Clock
from floworch.core.ports.limits import LimitUse
from floworch.core.ports.storage import Storage, StoredRun
from floworch.errors import ManifestNotUnderstood, RunNotFound, StepNotFound

__all__ = ["Explaining"]

_DEEPEST: Final = 3
"""Runs below a run that are explained with it."""
_MOST_CHILDREN: Final = 20
_MOST_ITERATIONS: Final = 20


class Explaining:
    """``handlers`` are those of this process."""

    def __init__(
        self, store: Storage, runs: Runs, plans: Plans, handlers: Handlers, clock: Clock, settings: EngineSettings
    ) -> None:
        self._store = store
        self._runs = runs
        self._plans = plans
        self._handlers = handlers
        self._clock = clock
        self._settings = settings

    async def explain(self, run_id: UUID, step_key: str | None = None, *, depth: int = _DEEPEST) -> Explanation:
        """Why the run or step is where it is; runs that it waits for are explained down to that depth.

        Raises RunNotFound, StepNotFound for a step that the manifest does not have, StorageError.
        """
        stored = (await self._store.load([run_id])).get(run_id)
        if stored is None:
            raise RunNotFound(f"there is no run {run_id}")
        try:
            state = await self._runs.state_of(stored)
        except ManifestNotUnderstood as error:
            return _unreadable(stored, step_key, error)
        if step_key is not None and not has_step(state.plan, step_key):
            hint = did_you_mean(step_key, [*state.steps, *state.plan.root.steps])
            raise StepNotFound(f"the flow of run {run_id} has no step {step_key!r}.{hint}")
        return await self._explained(await self._situation(state, step_key), step_key, depth)

    async def _situation(self, state: RunState, step_key: str | None) -> Situation:
        iterations = _iterations_of_interest(state, step_key)
        loaded = [await self._store.load_iteration_steps(state.facts.run_id, f"{each}.") for each in iterations]
        return Situation(
            state=state,
            now=self._clock.now(),
            accepts=self._handlers.__contains__,
            is_flow_known=state.facts.flow_id in self._plans.current,
            patience=timedelta(seconds=self._settings.ready_grace_seconds),
            lease_seconds=self._settings.lease_seconds,
            put_away={key: step for steps in loaded for key, step in steps.items()},
        )

    async def _explained(self, situation: Situation, step_key: str | None, depth: int) -> Explanation:
        """Explain it once to see what is of interest, and again with that at hand."""
        situation, draft = await self._with_payloads(situation, step_key)
        situation = replace(
            situation,
            records=await self._records(situation, draft.reasons),
            children=await self._children(draft.reasons, depth),
            limits=await self._limits(situation, draft.reasons),
            is_anybody_at_work=await self._is_anybody_at_work(situation, draft.reasons),
        )
        return _explanation(situation, step_key)

    async def _with_payloads(self, situation: Situation, step_key: str | None) -> tuple[Situation, Explanation]:
        while True:
            try:
                return situation, _explanation(situation, step_key)
            except PayloadsNeeded as needed:
                run_id = situation.state.facts.run_id
                loaded = await self._store.load_payloads(run_id, list(needed.refs))
                absent = dict.fromkeys(needed.refs)
                situation = replace(situation, payloads={**situation.payloads, **absent, **loaded})

    async def _records(self, situation: Situation, reasons: Iterable[Reason]) -> dict[str, StepRecord]:
        keys = frozenset(reason.step_key for reason in reasons if reason.step_key is not None)
        facts = situation.state.facts
        found = {record.key: record for record in await self._store.list_steps(facts.run_id, keys=keys)} if keys else {}
        if facts.source_run_id is not None:
            origins = await reused_from(self._store, facts.run_id, found)
            found |= {key: replace(found[key], reused_from=origin) for key, origin in origins.items()}
        return found

    async def _children(self, reasons: Iterable[Reason], depth: int) -> dict[str, Explanation]:
        if depth <= 0:
            return {}
        run_ids = [str(reason.details["runId"]) for reason in reasons if reason.code is ReasonCode.CHILD]
        explained: dict[str, Explanation] = {}
        for run_id in run_ids[:_MOST_CHILDREN]:
            try:
                explained[run_id] = await self.explain(UUID(run_id), depth=depth - 1)
            except RunNotFound:
                continue  # deleted since
        return explained

    async def _limits(self, situation: Situation, reasons: Iterable[Reason]) -> dict[str, list[UsedUp]]:
        ready = [reason.step_key for reason in reasons if reason.code is ReasonCode.WORKER and reason.step_key]
        if not ready:
            return {}
        use = await self._store.limit_use()
        facts, limits = situation.state.facts, use.limits
        found: dict[str, list[UsedUp]] = {}
        for key in ready:
            refused = use.refusals(situation.plan_of(key).type, facts.flow_id, facts.concurrency_key)
            found[key] = [_used_up(quota, limits[quota.limit], use, situation.now) for quota in refused]
        return found

    async def _is_anybody_at_work(self, situation: Situation, reasons: Iterable[Reason]) -> bool:
        long_ago = situation.now - situation.patience
        is_long = any(each.code is ReasonCode.WORKER and each.since and each.since < long_ago for each in reasons)
        return await self._store.is_any_lease_held() if is_long else True


def _explanation(situation: Situation, step_key: str | None) -> Explanation:
    return explain_run(situation) if step_key is None else explain_step(situation, step_key)


def _used_up(quota: Quota, limit: Limit, use: LimitUse, now: datetime) -> UsedUp:
    running = use.running.get(quota, 0)
    arrivals = {quota: use.arrivals[quota]} if quota in use.arrivals else {}
    resumes_at = Tally({quota.limit: limit}, {}, arrivals, use.at).resumes_at
    # Counted on the store's clock: told on ours.
    return UsedUp(quota, limit, running, None if resumes_at is None else now + (resumes_at - use.at))


def _iterations_of_interest(state: RunState, step_key: str | None) -> list[str]:
    """Scopes of ended iterations that hold the step, or what has failed first in a block."""
    keys = [] if step_key is None else [step_key]
    if step_key is not None or state.status.is_final:
        failures = (getattr(step.progress, "first_failure", None) for step in state.steps.values() if step.is_final)
        keys += [key for key in failures if key]
    found = dict.fromkeys(outermost_iteration(key) for key in keys)
    return [scope for scope in found if scope is not None][:_MOST_ITERATIONS]


def _unreadable(stored: StoredRun, step_key: str | None, error: ManifestNotUnderstood) -> Explanation:
    run_id = str(stored.facts.run_id)
    sentence = f"The run is left alone by this process: {error}"
    about = {"runId": run_id} if step_key is None else {"runId": run_id, "stepKey": step_key}
    details = {"manifestHash": stored.facts.manifest_hash, "error": str(error)}
    reason = Reason(ReasonCode.UNREADABLE, None, sentence, details=details)
    return Explanation(about, str(stored.status), sentence, [reason])
