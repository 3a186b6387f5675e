"""Sees everything that takes effect, and checks what must never happen at the moment at which it happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.model.payload import Json
from floworch.core.ports.schedules import ScheduleChange
from floworch.core.ports.storage import Batch, BatchResult, Creation, LeaseKey, LeaseState, Outcome, RunWrite
from floworch.storage.memory import MemoryStorage
from tests.simulation.cluster.account import RunAccount
from tests.simulation.cluster.almanac import Almanac
from tests.simulation.cluster.bounds import Bounds
from tests.simulation.cluster.lineage import check_copy
from tests.simulation.manifests import plan_of
from tests.simulation.strategies import Story

__all__ = ["Execution", "Witness"]


@dataclass(slots=True, eq=False)
class Execution:
    """A handler at work."""

    node: str
    run_id: UUID
    step_key: str
    attempt: int
    number: int
    """Executions of the step before this one that have reported anything."""

    @property
    def lease(self) -> LeaseKey:
        return LeaseKey(self.run_id, self.step_key, self.attempt)


class Witness:
    def __init__(
        self,
        store: MemoryStorage,
        now: Callable[[], datetime],
        trace: Callable[[str], None] | None,
        grace_seconds: float,
    ) -> None:
        self.stories: dict[UUID, Story] = {}
        self.runs: dict[UUID, RunAccount] = {}
        self.almanac = Almanac(self.runs, grace_seconds)
        self.keys: dict[tuple[UUID, str], UUID] = {}
        self.bounds = Bounds(store, now)
        self.failure: BaseException | None = None
        self.commits = 0
        self._plans: dict[UUID, FlowPlan] = {}
        self._store = store
        self._now = now
        self._trace = trace
        self._begun: set[LeaseKey] = set()
        self._copyists: set[str] = set()
        self._at_work: list[Execution] = []
        self._leases: dict[LeaseKey, datetime] = {}
        self._expired: set[LeaseKey] = set()

    def broken(self, error: BaseException) -> None:
        """The first failure ends the history."""
        if self.failure is None:
            self.failure = error

    def note(self, text: str) -> None:
        if self._trace is not None:
            self._trace(f"{self._now():%M:%S.%f} {text}")

    def plan_of(self, flow_id: UUID) -> FlowPlan:
        if flow_id not in self._plans:
            self._plans[flow_id] = plan_of(self.stories[flow_id].flow)
        return self._plans[flow_id]

    @property
    def open_runs(self) -> list[UUID]:
        return [run_id for run_id, run in self.runs.items() if not run.status.is_final]

    def check_done(self, run_id: UUID, by: str | None, *, told: bool) -> None:
        """Somebody was told that what he asked for has been done, or that it cannot be."""
        if (by in self.runs[run_id].heard) is not told:
            answer = "is done" if told else "cannot be done"
            self.broken(AssertionError(f"{by} was told that it {answer} with {run_id}, and that is not so"))

    # -- what the database does

    def before_commit(self, who: str, batch: Batch) -> None:
        changed = [write.run_id for write in (*batch.creations, *batch.advances)]
        assert len(changed) == len(set(changed)), "a batch changes a run twice"
        written = {(write.run_id, key) for write in (*batch.creations, *batch.advances) for key in write.steps}
        claimed = {(claim.run_id, claim.step_key) for claim in batch.claims}
        assert not written & claimed, "a batch claims a step that it changes"

    def committed(self, who: str, batch: Batch, result: BatchResult) -> None:
        self.commits += 1
        moved = {each.run_id for each, end in zip(batch.advances, result.advances, strict=True) if end is Outcome.DONE}
        for creation, run_id in zip(batch.creations, result.creations, strict=True):
            if run_id != creation.run_id:
                facts = creation.facts_of_run
                assert self.keys[facts.flow_id, facts.idempotency_key or ""] == run_id, "a key has led to two runs"
            elif creation.only_with is None or creation.only_with in moved:
                self._create(who, creation)
        for advance, outcome in zip(batch.advances, result.advances, strict=True):
            if outcome is Outcome.DONE:
                self._take(who, advance)
            else:
                self.note(f"{who} conflict {_short(advance.run_id)}")
        for claim, outcome in zip(batch.claims, result.claims, strict=True):
            self.note(f"{who} claim {_short(claim.run_id)} {claim.step_key}#{claim.attempt + 1} {outcome.value}")
            if outcome is Outcome.DONE:
                row = self._store._runs[claim.run_id].steps[claim.step_key]
                self.runs[claim.run_id].claim(claim.step_key, claim.owner, row.state)
                lease = LeaseKey(claim.run_id, claim.step_key, row.state.attempt)
                self._leases[lease] = self._now() + timedelta(seconds=claim.lease_seconds)
                self.bounds.started(claim.run_id, claim.step_key)

    def before_changes(self, changes: Sequence[ScheduleChange]) -> None:
        for change in changes:
            self.almanac.before_change(change)

    def changed_schedules(self, who: str, changes: Sequence[ScheduleChange], written: Sequence[bool]) -> None:
        for change, is_written in zip(changes, written, strict=True):
            told = [f"{tick.scheduled_at:%M:%S.%f} {tick.outcome}" for tick in change.ticks]
            self.note(f"{who} schedule {change.schedule.trigger_key} {'done' if is_written else 'conflict'} {told}")
            if is_written:
                for creation in change.runs:
                    self._create(who, creation)
                self.almanac.written(change)

    def set_flow_enabled(self, flow_id: UUID, enabled: bool) -> None:
        self.note(f"flow {flow_id.int} is {'enabled' if enabled else 'disabled'}")
        self.almanac.were_disabled.add(flow_id)

    def _create(self, who: str, creation: Creation) -> None:
        facts = creation.facts_of_run
        if facts.idempotency_key is not None:
            winner = self.keys.setdefault((facts.flow_id, facts.idempotency_key), creation.run_id)
            assert winner == creation.run_id, "an idempotency key has led to two runs"
        story = self.stories[facts.flow_id]
        body = None if creation.body is None else creation.body.value
        run = RunAccount(replace(story, flow=replace(story.flow, body=body)), facts, self.keys)
        self.runs[creation.run_id] = run
        self._take(who, creation)
        if facts.source_run_id is not None:
            check_copy(run, creation, self.runs)
            by = creation.facts[0]["by"]
            assert by not in self._copyists, f"{by} has got two runs"
            self._copyists.add(by)
        if facts.parent is not None:
            assert creation.only_with == facts.parent.run_id
            self.runs[facts.parent.run_id].family.started(self.runs[facts.parent.run_id], run)

    def _take(self, who: str, write: RunWrite) -> None:
        for fact in write.facts:
            self.note(f"{who} {_short(write.run_id)} {_told(fact)}")
            if fact["type"] == "step.lost":
                lease = LeaseKey(write.run_id, fact["step"], fact["attempt"])
                assert self._was_lost(lease), f"{lease} was declared lost while its lease ran"
            if fact.get("by_hand"):  # whoever is at work on it may not have heard of that
                self._expired.add(LeaseKey(write.run_id, fact["step"], fact["attempt"]))
        self.runs[write.run_id].write(write)
        for key, change in write.steps.items():
            if change.lease_seconds is not None:
                lease = LeaseKey(write.run_id, key, change.state.attempt)
                self._leases[lease] = self._now() + timedelta(seconds=change.lease_seconds)
                self.bounds.started_without_asking(write.run_id, key)

    def _was_lost(self, lease: LeaseKey) -> bool:
        """Whether the lease has run out at any time, be it only for a moment."""
        self._see_expiry(lease)
        return lease in self._expired

    def before_renewal(self, keys: list[LeaseKey]) -> None:
        for lease in keys:
            self._see_expiry(lease)

    def renewed(self, seconds: dict[LeaseKey, float], states: dict[LeaseKey, LeaseState]) -> None:
        for lease, state in states.items():
            if state is not LeaseState.LOST:
                self._leases[lease] = self._now() + timedelta(seconds=seconds[lease])

    def _see_expiry(self, lease: LeaseKey) -> None:
        if lease in self._leases and self._leases[lease] <= self._now():
            self._expired.add(lease)

    # -- what handlers do

    def begin(self, node: str, run_id: UUID, step_key: str, attempt: int, concurrency: int) -> Execution:
        run = self.runs[run_id]
        execution = Execution(node, run_id, step_key, attempt, run.executions[step_key])
        self.note(f"{node} {_short(run_id)} {step_key}#{attempt} runs")
        assert (step_key, attempt) in run.attempts, f"{execution} runs without a claim"
        assert execution.lease not in self._begun, f"{execution} runs twice"
        self._begun.add(execution.lease)
        busy = sum(1 for other in self._at_work if other.node == node)
        assert busy < concurrency, f"{node} runs more than {concurrency} steps at once"
        for other in self._at_work:
            if (other.run_id, other.step_key) == (run_id, step_key):
                assert self._was_lost(execution.lease) or self._was_lost(other.lease), f"{execution} overlaps {other}"
        self._at_work.append(execution)
        self.bounds.check_at_work(each.lease for each in self._at_work)
        return execution

    def end(self, execution: Execution) -> None:
        if execution in self._at_work:
            self._at_work.remove(execution)

    def node_has_died(self, name: str) -> None:
        self.note(f"{name} is dead")
        self._at_work = [execution for execution in self._at_work if execution.node != name]

    def check_inputs(self, execution: Execution, seen: dict[str, Json], item: Json) -> None:
        """What the expressions of the step's inputs read is what the database has."""
        run = self.runs[execution.run_id]
        if run.retries:
            return  # a retry by hand may change what lies behind a step while it waits
        scope = execution.step_key.rpartition(".")[0]
        if scope.endswith(".compensate"):
            scope = f"{scope.rpartition('.')[0]}.steps"
        for name, (status, output) in seen.items():
            key = f"{scope}.{name}" if scope else name
            assert status == run.ledger.rows[key].status, f"{execution} sees {name!r} as {status}"
            assert output == run.ledger.output(key), f"{execution} sees {output} as the output of {name!r}"
        while scope and scope.rpartition(".")[0] not in run.ledger.items:
            scope = scope.rpartition(".")[0].rpartition(".")[0]
        if scope:
            loop_key, _, index = scope.rpartition(".")
            assert item == run.ledger.items[loop_key].value[int(index)], f"{execution} sees the item {item}"


def _short(run_id: UUID) -> str:
    return str(run_id)[-4:]


def _told(fact: dict[str, Any]) -> str:
    attempt = f"#{fact['attempt']}" if "attempt" in fact else ""
    more = fact.get("status") or fact.get("kind") or fact.get("worker") or (fact.get("error") or {}).get("type") or ""
    return f"{fact['type']} {fact.get('step', '')}{attempt} {more}".rstrip()
