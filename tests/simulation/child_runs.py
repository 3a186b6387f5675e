"""The runs that steps have started, as the machine sees them: a command at their start, and one at their end."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.commands import ChildEnded, ChildStart, StartChild
from floworch.core.machine.progress import ChildWait
from floworch.core.machine.state import ParentStep, RunFacts, StepState, WaitKind
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.policy.retry import RetryPolicy
from tests.simulation.ledger import Ledger
from tests.simulation.specs import Outcome, cleans_up

__all__ = ["ChildRuns", "child_of", "waits_for_child"]

INPUT = Payload('{"flow":"Child"}')
_STATUS = {"succeed": RunStatus.SUCCEEDED, "fail": RunStatus.FAILED, "skip": RunStatus.SKIPPED}


def waits_for_child(row: StepState) -> bool:
    return row.status is StepStatus.PENDING and row.wait is WaitKind.CHILD


@dataclass(slots=True)
class ChildRuns:
    """``plan`` is that of the parent; the machine does not look into that of a child."""

    plan: FlowPlan
    started: list[UUID] = field(default_factory=list)
    asked_to_stop: set[UUID] = field(default_factory=set)
    heard_of: list[UUID] = field(default_factory=list)
    let_go: set[UUID] = field(default_factory=set)
    """Children whose steps somebody has ended by hand: asked to stop, and waited for by nobody."""

    def start(self, key: str, row: StepState, parent_id: UUID) -> StartChild:
        run_id = UUID(int=1_000 + len(self.started))
        parent = ParentStep(parent_id, key, row.attempt, waits=True, depth=1)
        facts = RunFacts(run_id, UUID(int=2), "hash", "RunFlow", row.started_at or row.ready_at, parent=parent)  # type: ignore[arg-type]
        return StartChild(key, row.attempt, ChildStart(facts, self.plan, None, None, None), "fail", INPUT)

    def end(self, key: str, row: StepState, outcome: Outcome, max_attempts: int) -> ChildEnded:
        """The report of the end of the run that the step waits for."""
        retry = RetryPolicy(max_attempts=max_attempts, backoff="fixed", initial=3, jitter=False)
        output = Payload.of(outcome.output) if outcome.kind == "succeed" else None
        child_id = child_of(row)
        return ChildEnded(key, row.attempt, child_id, _STATUS[outcome.kind], output, None, retry)

    def committed(self, transition: Transition, ledger: Ledger) -> None:
        """Note what became of children, and check it."""
        rarities = transition.rarities
        if rarities is not None:
            self.started += [child.facts.run_id for child in rarities.children]
            self.asked_to_stop |= set(rarities.children_to_stop)
            self.heard_of += rarities.heard_of
        waiting = {key: row for key, row in ledger.rows.items() if waits_for_child(row)}
        assert {child_of(row) for row in waiting.values()} == set(self.started) - set(self.heard_of) - self.let_go
        assert self.let_go <= self.asked_to_stop
        assert all(ledger.inputs.get(key) == INPUT for key in waiting), "the inputs of a step that waits were lost"
        if transition.stop is not None:
            unwanted = [row for key, row in waiting.items() if not cleans_up(key)]
            assert set(map(child_of, unwanted)) <= self.asked_to_stop
            assert all(row.due_at is not None for row in unwanted)


def child_of(row: StepState) -> UUID:
    assert isinstance(row.progress, ChildWait)
    return UUID(row.progress.run_id)
