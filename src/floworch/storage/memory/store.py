"""The reference implementation of the storage port.

All state lives in plain dicts that only this module touches, and every verb runs to its end without awaiting, so it is
atomic on one event loop. Records go out as frozen values or fresh copies, never as the rows themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from floworch.core.machine.state import StepState
from floworch.core.machine.transition import Fact
from floworch.core.model.payload import Payload, PayloadRef
from floworch.core.model.records import FlowRecord, FlowVersion, HistoryEvent, RunRecord, StepRecord
from floworch.core.model.schedules import ScheduleRecord, TickRecord
from floworch.core.model.signals import SignalRecord
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.policy.limits import Tally
from floworch.core.ports.clock import Clock, SystemClock
from floworch.core.ports.fairness import fair_order
from floworch.core.ports.schedules import DueSchedules, ScheduleChange
from floworch.core.ports.storage import (
    Advance,
    Batch,
    BatchResult,
    Capabilities,
    Claim,
    Creation,
    Deletion,
    DueWork,
    LeaseKey,
    LeaseState,
    Outcome,
    RareWrites,
    ReadyStep,
    RunFilter,
    RunPage,
    RunWrite,
    Storage,
    StoredRun,
)
from floworch.storage.memory import questions, retention
from floworch.storage.memory.due import due_work
from floworch.storage.memory.limits import KeepsLimits, Limits
from floworch.storage.memory.loading import stored_payload, stored_run
from floworch.storage.memory.notices import KeepsNotices, Notices
from floworch.storage.memory.retention import Keys
from floworch.storage.memory.rows import RunRow, StepRow
from floworch.storage.memory.schedules import Schedules
from floworch.storage.memory.signals import SignalRows
from floworch.storage.memory.versions import Versions

__all__ = ["MemoryStorage"]

T = TypeVar("T")
_NOTHING: Mapping[UUID, Collection[str]] = {}
_RUNNING, _DONE = RunStatus.RUNNING, Outcome.DONE


class MemoryStorage(KeepsLimits, KeepsNotices, Storage):
    """Keeps everything in this process and forgets it at the end."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._flows: dict[UUID, FlowRecord] = {}
        self._manifests: dict[str, str] = {}
        self._versions = Versions()
        self._runs: dict[UUID, RunRow] = {}
        self._keys = Keys()
        self._active: dict[UUID, RunRow] = {}
        self._untold: dict[UUID, RunRow] = {}
        """Runs whose parents have not heard of their end."""
        self._sequence = 0
        self._schedules = Schedules(
            lambda run: self._create(run, frozenset(), self._clock.now()), self._active.__contains__
        )
        self._limits = Limits(self._active)
        self._notices = Notices()

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(shared_between_processes=False, survives_restart=False)

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    # -- catalog

    async def save_flows(self, flows: Sequence[FlowRecord]) -> None:
        now = self._clock.now()
        for flow in flows:
            known = self._flows.get(flow.id)
            self._manifests[flow.manifest_hash] = flow.manifest
            self._versions.save(flow, now)
            self._flows[flow.id] = replace(
                flow,
                is_enabled=known.is_enabled if known else flow.is_enabled,
                created_at=known.created_at if known else now,
                updated_at=now,
            )

    async def list_flows(self) -> list[FlowRecord]:
        return sorted(self._flows.values(), key=lambda flow: flow.name)

    async def set_flow_enabled(self, flow_id: UUID, enabled: bool) -> bool:
        flow = self._flows.get(flow_id)
        if flow is None:
            return False
        self._flows[flow_id] = replace(flow, is_enabled=enabled, updated_at=self._clock.now())
        return True

    async def list_versions(self, flow_ids: frozenset[UUID]) -> list[FlowVersion]:
        return self._versions.list(flow_ids, (run.facts for run in self._active.values()))

    async def save_manifests(self, manifests: Mapping[str, str]) -> None:
        self._manifests |= manifests

    async def load_manifests(self, hashes: Sequence[str]) -> dict[str, str]:
        return {key: self._manifests[key] for key in hashes if key in self._manifests}

    # -- the state machine

    async def commit(self, batch: Batch) -> BatchResult:
        lost = self._lost_parents(batch) if any(creation.only_with for creation in batch.creations) else frozenset()
        now = self._clock.now()
        return BatchResult(
            creations=[self._create(creation, lost, now) for creation in batch.creations],
            advances=[self._advance(advance, lost, now) for advance in batch.advances],
            claims=self._claims(batch.claims, now),
        )

    def _lost_parents(self, batch: Batch) -> frozenset[UUID]:
        """Runs that cannot advance, by themselves or because the key of a run that they start is another one's."""
        lost = {advance.run_id for advance in batch.advances if self._is_lost(advance)}
        keys: dict[tuple[UUID, str], UUID] = {}
        for creation in batch.creations:
            facts = creation.facts_of_run
            if facts.idempotency_key is not None:
                key = facts.flow_id, facts.idempotency_key
                owner = self._keys.owner(*key) or keys.setdefault(key, facts.run_id)
                if owner != facts.run_id and creation.only_with is not None:
                    lost.add(creation.only_with)
        return frozenset(lost)

    def _create(self, creation: Creation, lost: frozenset[UUID], now: datetime) -> UUID:
        facts = creation.facts_of_run
        if creation.only_with in lost:
            key = facts.idempotency_key
            return (key and self._keys.owner(facts.flow_id, key)) or facts.run_id
        if facts.idempotency_key is not None:
            winner = self._keys.reserve(facts.flow_id, facts.idempotency_key, facts.run_id)
            if winner != facts.run_id:
                return winner
        run = RunRow(
            facts=facts,
            flow_name=creation.flow_name,
            flow_version=creation.flow_version,
            revision=0,
            status=RunStatus.RUNNING,
            deadline=None,
            stop=None,
            ended_at=None,
            body=creation.body,
            headers=creation.headers,
        )
        self._runs[facts.run_id] = run
        self._write(run, creation, now)
        return facts.run_id

    def _advance(self, advance: Advance, lost: frozenset[UUID], now: datetime) -> Outcome:
        run = self._runs.get(advance.run_id)
        if run is None or not _may_advance(run, advance) or (lost and advance.run_id in lost):
            return Outcome.CONFLICT
        self._write(run, advance, now)
        return _DONE

    def _is_lost(self, advance: Advance) -> bool:
        run = self._runs.get(advance.run_id)
        return run is None or not _may_advance(run, advance)

    def _claims(self, claims: Sequence[Claim], now: datetime) -> list[Outcome]:
        if not any(claim.quotas for claim in claims):
            return [self._claim(claim, None, now) for claim in claims]
        tally = self._limits.tally(now)
        outcomes = [self._claim(claim, tally, now) for claim in claims]
        self._limits.keep_arrivals(tally.moved)
        return outcomes

    def _claim(self, claim: Claim, tally: Tally | None, now: datetime) -> Outcome:
        run = self._active.get(claim.run_id)
        row = run.steps.get(claim.step_key) if run is not None else None
        if run is None or row is None or row.state.status is not StepStatus.READY or row.state.attempt != claim.attempt:
            return Outcome.CONFLICT
        if tally is not None:
            if not tally.grants(claim.quotas):
                return Outcome.LIMITED
            tally.take(claim.quotas)
        row.state = row.state.claimed(claim.owner, claim.at)
        row.input_text = row.output_text = row.error = row.trace = None
        row.lease_until = now + timedelta(seconds=claim.lease_seconds)
        fact = {"type": "step.started", "step": claim.step_key, "attempt": row.state.attempt, "worker": claim.owner}
        self._append(run, claim.at, [fact])
        return Outcome.DONE

    def _write(self, run: RunRow, write: RunWrite, now: datetime) -> None:
        run.revision += 1
        if run.revision == 1 or run.status is not write.status:
            self._note_status(run, write.status)
        run.status, run.deadline, run.stop, run.ended_at = write.status, write.deadline, write.stop, write.ended_at
        if write.rare is not None:
            self._write_rare(run, write.rare, write.at)
        steps = run.steps
        for key, change in write.steps.items():
            row = steps.get(key)
            if row is None:
                run.written += 1
                row = steps[key] = StepRow(change.state, change.type, run.written)
            row.state, row.trace = change.state, change.trace
            row.input_text = change.input.text if change.input else None
            row.output_text = change.output.text if change.output else None
            row.error = change.error
            row.lease_until = now + timedelta(seconds=change.lease_seconds) if change.lease_seconds else None
        if write.tells_end is not None:
            self._notices.mark(run, write.at if write.tells_end else None)
        self._append(run, write.at, write.facts)
        if write.status.is_final:
            run.pack()

    def _write_rare(self, run: RunRow, rare: RareWrites, at: datetime) -> None:
        """Before the rows of steps: some of those that are removed begin anew in the same write."""
        for key in rare.removed:
            run.steps.pop(key, None)
        run.items.update(rare.loop_items)
        run.settled.update(rare.settled)
        run.settled.difference_update(rare.revived)
        if rare.changes_suspension:
            run.suspension = rare.suspension
        if rare.moved_to is not None:
            run.facts = replace(run.facts, manifest_hash=rare.moved_to[0])
            run.flow_version = rare.moved_to[1]
        if rare.tells_parent:
            run.tells_parent = True
            self._untold[run.facts.run_id] = run
        for child_id in rare.heard_of:
            if child_id in self._runs:
                self._runs[child_id].tells_parent = False
                self._untold.pop(child_id, None)
        if rare.signals or rare.taken:
            rows = run.signals = run.signals or SignalRows()
            rows.add(rare.signals, at)
            for signal_id, by in rare.taken.items():
                rows.take(signal_id, by, at)

    def _note_status(self, run: RunRow, status: RunStatus) -> None:
        if status is _RUNNING:
            self._active[run.facts.run_id] = run
        else:
            self._active.pop(run.facts.run_id, None)

    def _append(self, run: RunRow, at: datetime, facts: Sequence[Fact]) -> None:
        self._sequence += 1
        run.history += facts
        run.commits.append((self._sequence, at, len(run.history)))

    async def load(self, run_ids: Sequence[UUID]) -> dict[UUID, StoredRun]:
        return {run_id: stored_run(self._runs[run_id]) for run_id in run_ids if run_id in self._runs}

    async def load_iteration_steps(self, run_id: UUID, step_key_prefix: str) -> dict[str, StepState]:
        return {key: row.state for key, row in self._steps(run_id).items() if key.startswith(step_key_prefix)}

    async def load_payloads(self, run_id: UUID, refs: Sequence[PayloadRef]) -> dict[PayloadRef, Payload | None]:
        run = self._runs.get(run_id)
        return {ref: None if run is None else stored_payload(run, ref) for ref in refs}

    async def load_outputs(self, run_id: UUID, step_key_prefix: str) -> dict[str, Payload | None]:
        return {
            key: row.output
            for key, row in self._steps(run_id).items()
            if key.startswith(step_key_prefix) and row.state.status is StepStatus.SUCCEEDED
        }

    def _steps(self, run_id: UUID) -> Mapping[str, StepRow]:
        run = self._runs.get(run_id)
        return {} if run is None else run.steps

    # -- leases and time

    async def renew(self, owner: str, leases: Mapping[LeaseKey, float]) -> dict[LeaseKey, LeaseState]:
        return {key: self._renew(owner, key, seconds) for key, seconds in leases.items()}

    def _renew(self, owner: str, key: LeaseKey, seconds: float) -> LeaseState:
        run = self._runs.get(key.run_id)
        row = run.steps.get(key.step_key) if run is not None else None
        if (
            run is None
            or row is None
            or row.state.status is not StepStatus.RUNNING
            or (row.state.attempt, row.state.owner) != (key.attempt, owner)
        ):
            return LeaseState.LOST
        row.lease_until = self._clock.now() + timedelta(seconds=seconds)
        return LeaseState.HELD if run.stop is None else LeaseState.STOP_REQUESTED

    async def due(self, now: datetime, limit: int) -> DueWork:
        return due_work(self._active, self._untold, now, limit, leases_now=self._clock.now())

    async def ready(
        self,
        limit: int,
        step_types: frozenset[str],
        flow_ids: frozenset[UUID],
        passed_over: Mapping[UUID, Collection[str]] = _NOTHING,
        unreadable: frozenset[str] = frozenset(),
    ) -> list[ReadyStep]:
        found: list[tuple[datetime, ReadyStep]] = []
        for run_id, run in self._active.items():
            facts = run.facts
            if facts.flow_id not in flow_ids or facts.concurrency_key in passed_over.get(facts.flow_id, ()):
                continue
            if facts.manifest_hash in unreadable:
                continue
            for key, row in run.steps.items():
                if row.state.status is StepStatus.READY and row.type in step_types:
                    task = ReadyStep(
                        *(run_id, key, row.state.attempt, row.type, facts.flow_id, facts.priority),
                        concurrency_key=facts.concurrency_key,
                        manifest_hash=facts.manifest_hash,
                    )
                    found.append((row.state.ready_at or facts.started_at, task))
        return fair_order(found)[:limit]

    async def is_any_lease_held(self) -> bool:
        now = self._clock.now()
        rows = (row for run in self._active.values() for row in run.steps.values())
        return any(row.lease_until is not None and row.lease_until > now for row in rows)

    # -- schedules

    async def change_schedules(self, changes: Sequence[ScheduleChange], caller: str | None = None) -> list[bool]:
        return [self._schedules.change(change) for change in changes]

    async def list_schedules(self, flow_ids: frozenset[UUID] | None = None) -> list[ScheduleRecord]:
        return self._schedules.list(flow_ids)

    async def due_schedules(self, now: datetime, limit: int, flow_ids: frozenset[UUID]) -> DueSchedules:
        disabled = {flow.id for flow in self._flows.values() if not flow.is_enabled} & flow_ids
        found = self._schedules.due(now, limit, flow_ids - disabled)
        found.disabled = frozenset(disabled)
        return found

    async def list_ticks(
        self,
        flow_id: UUID,
        trigger_key: str,
        limit: int,
        *,
        first: datetime | None = None,
        last: datetime | None = None,
    ) -> list[TickRecord]:
        return list(self._schedules.ticks(flow_id, trigger_key, limit, first, last))

    async def delete_ticks(self, recorded_before: datetime, limit: int) -> int:
        return self._schedules.forget_ticks(recorded_before, limit)

    # -- retention

    async def delete_runs(self, ended_before: datetime, limit: int, keys_before: datetime) -> Deletion:
        keys = self._keys.forget_orphans(keys_before, limit)
        runs = retention.ended_before(self._runs.values(), ended_before)[:limit]
        for run in runs:
            del self._runs[run.facts.run_id]
            self._notices.mark(run, None)
            self._keys.run_deleted(run, keys_before)
        return Deletion(len(runs), keys)

    async def count_ended(self, before: datetime) -> int:
        return len(retention.ended_before(self._runs.values(), before))

    # -- questions

    async def get_run(self, run_id: UUID) -> RunRecord | None:
        run = self._runs.get(run_id)
        return None if run is None else questions.run_record(run)

    async def find_run_by_key(self, flow_id: UUID, idempotency_key: str) -> UUID | None:
        return self._keys.owner(flow_id, idempotency_key)

    async def list_runs(self, where: RunFilter, limit: int, cursor: str | None = None) -> RunPage:
        return questions.run_page(self._runs.values(), where, limit, cursor)

    async def list_steps(
        self, run_id: UUID, *, payloads: bool = False, keys: frozenset[str] | None = None
    ) -> list[StepRecord]:
        wanted = [item for item in self._steps(run_id).items() if keys is None or item[0] in keys]
        rows = sorted(wanted, key=lambda item: (_came_up(item[1].state), item[1].order))
        return [questions.step_record(key, row, payloads=payloads) for key, row in rows]

    async def list_events(self, run_id: UUID, after: int = 0, limit: int = 1000) -> list[HistoryEvent]:
        run = self._runs.get(run_id)
        return [] if run is None else questions.history_events(run, after, limit)

    async def list_signals(self, run_id: UUID) -> list[SignalRecord]:
        run = self._runs.get(run_id)
        return [] if run is None or run.signals is None else run.signals.records()

    async def count_runs(self) -> dict[RunStatus, int]:
        counts = dict.fromkeys(RunStatus, 0)
        for run in self._runs.values():
            counts[run.status] += 1
        return counts


def _came_up(state: StepState) -> datetime:
    return state.ready_at or state.ended_at or datetime.max.replace(tzinfo=UTC)


def _may_advance(run: RunRow, advance: Advance) -> bool:
    return run.revision == advance.expected_revision and _guards_hold(run, advance)


def _guards_hold(run: RunRow, write: RunWrite) -> bool:
    steps = run.steps
    for key, change in write.steps.items():
        row, before = steps.get(key), change.before
        if row is None or before is None:
            if row is not None or before is not None:
                return False
        elif row.state.status is not before.status or row.state.attempt != before.attempt:
            return False
    return True
