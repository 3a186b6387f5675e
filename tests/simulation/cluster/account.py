"""Everything that took effect in one run, as the database saw it, and what the oracle has to know of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from floworch.core.machine.progress import UntilProgress
from floworch.core.machine.state import RunFacts, SkipKind, StepState, StopRequest, Suspension
from floworch.core.machine.transition import Rarities
from floworch.core.model.payload import Json
from floworch.core.model.status import RunStatus
from floworch.core.ports.storage import Advance, Creation, RareWrites, RunWrite
from tests.simulation.cluster.family import Family, end_of
from tests.simulation.cluster.lineage import End, Lineage
from tests.simulation.laws import check_beginnings
from tests.simulation.ledger import Ledger
from tests.simulation.oracle import Result, retried_keys, skipped_behind
from tests.simulation.post import Post
from tests.simulation.retries import has_active_steps_behind, resumed_keys
from tests.simulation.scopes import gone_on
from tests.simulation.specs import Outcome, cleans_up, spec_of, steps_of_scope
from tests.simulation.strategies import Story

__all__ = ["RunAccount"]

_REPORTS = {"step.completed", "step.attempt_failed", "step.pending"}
_PLANNERS_FAILURES = {
    "ExpressionError",
    "NotAList",
    "IterationFailed",
    "UntilExhausted",
    "InvalidPayload",
    "ScopeFailed",
    "CompensationFailed",
}


@dataclass(slots=True)
class RunAccount:
    """One run. Checks with every write that nothing begins that must not."""

    story: Story
    facts: RunFacts
    owners: Mapping[tuple[UUID, str], UUID]
    """Flow and idempotency key → the run that has it."""
    status: RunStatus = RunStatus.RUNNING
    stop: StopRequest | None = None
    deadline: datetime | None = None
    ended_at: datetime | None = None
    suspension: Suspension | None = None
    revision: int = 0
    ledger: Ledger = field(init=False)
    executions: Counter[str] = field(default_factory=Counter)
    """Step key → reports of its handlers that were accepted."""
    first_executions: dict[str, int] = field(default_factory=dict)
    lost_for_good: set[tuple[str, int]] = field(default_factory=set)
    pinned: dict[str, Result] = field(default_factory=dict)
    overridden: dict[str, Result] = field(default_factory=dict)
    """Steps that somebody has ended by hand, and that no retry has begun anew."""
    gone_on: dict[str, str] = field(default_factory=dict)
    attempts: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that were started."""
    post: Post = field(init=False)
    counted_from: dict[str, int] = field(default_factory=dict)
    """Loops with a condition that were retried by hand, with the iterations that they had behind them."""
    heard: defaultdict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    """Who has asked for something, each for one thing → what was done for that."""
    retries: int = 0
    family: Family = field(init=False)
    lineage: Lineage = field(default_factory=Lineage)
    begun: dict[str, list[Json] | None] = field(default_factory=dict)
    """Blocks that it has taken over and that go on, with the items of loops; and steps that run again by hand, whatever
    has become of what they run after."""
    past: defaultdict[str, list[End]] = field(default_factory=lambda: defaultdict(list))
    """How steps have ended: once more after each retry by hand."""
    ends: list[Outcome] = field(default_factory=list)
    """What it has come to, for a step that waits for it: once more after each retry by hand."""
    is_beyond_oracle: bool = False
    """A failed step was retried while a step that its failure had started was at work. Both go on, and the end is no
    longer a matter of final statuses alone."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.story.flow)
        self.post = Post(self.ledger)
        self.family = Family(self.ledger, self.story.script)

    @property
    def is_fork(self) -> bool:
        return bool(self.lineage.from_step)

    @property
    def is_rerun(self) -> bool:
        return self.facts.source_run_id is not None and not self.is_fork

    def write(self, write: RunWrite) -> None:
        """Take over a creation or an advance."""
        kinds = [fact["type"] for fact in write.facts]
        self._check_end(write, reopened="run.reopened" in kinds)
        if retried := [fact["step"] for fact in write.facts if fact["type"] == "step.retried"]:
            assert kinds.count("run.started") == 0
            self._retried(retried)
        before = dict(self.ledger.rows)
        self.ledger.write(_as_transition(write))
        rare = write.rare or RareWrites()
        self.post.write(rare.signals, rare.taken, write.facts, write.at)
        if isinstance(write, Creation):
            self._take_over(write)
        self._note_starts(write, before)
        self.family.wrote({key: change.state for key, change in write.steps.items()})
        for fact in write.facts:
            self._note_report(fact)
            if "by" in fact:
                self._hear(fact["by"], (fact["type"], fact.get("step", "")))
        begun = write.steps.keys() - before.keys() | {f["step"] for f in write.facts if f["type"] == "step.reset"}
        begun &= write.steps.keys()
        begun -= self.lineage.origins.keys() if isinstance(write, Creation) else frozenset()
        for key in begun:
            self.first_executions[key] = self.executions[key]
            self.begun.pop(key, None)
        for key in write.steps:
            if self.ledger.rows[key].is_final:
                self.past[key].append(End.of(self.ledger, key))
        run_row = (write.status, write.stop, write.deadline, write.ended_at)
        if isinstance(write, Advance) and not write.changes_run:
            assert run_row == (self.status, self.stop, self.deadline, self.ended_at)
        self.status, self.stop, self.deadline, self.ended_at = run_row
        if rare.changes_suspension:
            self.suspension = rare.suspension
        self.revision += 1
        if self.status.is_final:
            self.ends.append(end_of(self))
            self.family.check_end()
        if self.is_beyond_oracle:
            return  # what a step reads that goes on behind the retried one may be gone
        if "run.stop_requested" not in kinds:  # what began before the stop, in the same batch, is judged by other rules
            check_beginnings(self.ledger, sorted(begun), SkipKind.RUN_STOPPED if write.stop is not None else None)

    def claim(self, step_key: str, owner: str, started: StepState) -> None:
        """Take over a claim."""
        assert self.status is RunStatus.RUNNING, f"{step_key} was claimed although the run had ended"
        assert self.stop is None or cleans_up(step_key), f"{step_key} was claimed although the run was being stopped"
        assert self.suspension is None, f"{step_key} was claimed although the run was suspended"
        self.ledger.claim(step_key, owner, started)
        self._started(step_key, started.attempt)

    def _take_over(self, write: Creation) -> None:
        """What a fork is given stays as it is, but for the blocks around the step, which go on."""
        self.lineage = Lineage.of(write, self.ledger)
        ends = self.ledger.results()
        self.pinned = {key: ends[key] for key in self.lineage.ends}
        for key in self.lineage.around:
            row = self.ledger.rows[key]
            self.begun[key] = self.ledger.items[key].value if row.loop is not None else None
            if isinstance(row.progress, UntilProgress):
                self.counted_from[key] = row.progress.counted_from

    def _check_end(self, write: RunWrite, *, reopened: bool) -> None:
        if self.status.is_final:
            only_hears = write.rare is not None and bool(write.rare.heard_of) and not write.facts and not write.steps
            assert reopened or only_hears, f"the run has ended {self.status} and goes on: {write.facts}"
        elif self.stop is not None:
            leased = (key for key, change in write.steps.items() if change.lease_seconds is not None)
            starts = [key for key in leased if not cleans_up(key)]
            assert not starts, f"{starts} started although the run was being stopped"
            assert write.stop == self.stop

    def _note_starts(self, write: RunWrite, before: dict[str, StepState]) -> None:
        for fact in write.facts:
            if fact["type"] == "step.started" and "worker" in fact:
                self._started(fact["step"], fact["attempt"])
        for key, change in write.steps.items():
            if change.lease_seconds is not None:
                assert (key, change.state.attempt) in self.attempts
                assert change.state.attempt > (before[key].attempt if key in before else 0)

    def _started(self, key: str, attempt: int) -> None:
        assert (key, attempt) not in self.attempts, f"attempt {attempt} of {key} started twice"
        self.attempts.add((key, attempt))

    def _note_report(self, fact: dict[str, Any]) -> None:
        key, kind = fact.get("step", ""), fact["type"]
        if fact.get("by_hand"):
            self.overridden[key] = self.ledger.results()[key]
            self.family.let_go.add((key, fact["attempt"]))
        elif kind in _REPORTS or (kind == "step.skipped" and fact["kind"] == str(SkipKind.HANDLER)):
            self._count(key, fact)
        elif kind == "step.failed":
            if fact["error"]["type"] == "WorkerLost":
                self.lost_for_good.add((key, self.executions[key]))
            elif fact["error"]["type"] not in _PLANNERS_FAILURES:
                self._count(key, fact)

    def _hear(self, by: str, done: tuple[str, str]) -> None:
        assert done not in self.heard[by], f"{done} was done twice for {by}"
        self.heard[by].add(done)

    def _count(self, key: str, fact: dict[str, Any]) -> None:
        if spec_of(self.story.flow, key).child is not None:
            self.family.heard(fact, self.executions[key], self.owners)
        self.executions[key] += 1

    def _retried(self, keys: Sequence[str]) -> None:
        """What the retry decides anew is forgotten; everything else stays."""
        self.retries += 1
        self.is_beyond_oracle |= any(has_active_steps_behind(self.story.flow, self.ledger, key) for key in keys)
        ends = self.ledger.results()
        self.gone_on = gone_on(self.ledger)
        again = {name for key in keys for name in retried_keys(self.story.flow, ends, key, self.gone_on)}
        if self.status.is_final and self.stop is not None:
            again.update(*(self._stopped_around(key, ends) for key in keys if not cleans_up(key)))
        self.pinned = {name: end for name, end in ends.items() if name not in again}
        self.overridden = {name: end for name, end in self.overridden.items() if name not in again}
        self.begun |= dict.fromkeys(resumed_keys(self.ledger, keys, again))
        for key in keys:
            progress = self.ledger.rows[key].progress
            if isinstance(progress, UntilProgress):
                self.counted_from[key] = progress.started
            self.first_executions[key] = self.executions[key]
            self.lost_for_good.discard((key, self.executions[key]))

    def _stopped_around(self, key: str, ends: dict[str, Result]) -> set[str]:
        stopped: set[str] = set()
        scope = key
        while scope:
            scope = scope.rpartition(".")[0]
            for spec in steps_of_scope(self.story.flow, scope):
                row = self.ledger.rows.get(f"{scope}.{spec.key}" if scope else spec.key)
                if row is not None and row.skip is SkipKind.RUN_STOPPED:
                    stopped.add(f"{scope}.{spec.key}" if scope else spec.key)
            scope = scope.rpartition(".")[0]
        return stopped.union(*(skipped_behind(self.story.flow, ends, name) for name in stopped))


def _as_transition(write: RunWrite) -> Any:
    rare = write.rare or RareWrites()
    return SimpleNamespace(
        status=write.status,
        deadline=write.deadline,
        stop=write.stop,
        ended_at=write.ended_at,
        steps=write.steps,
        rarities=Rarities(
            loop_items=dict(rare.loop_items),
            removed=set(rare.removed),
            settled=list(rare.settled),
            revived=list(rare.revived),
        ),
        facts=list(write.facts),
    )
