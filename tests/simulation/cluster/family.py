"""The runs that the steps of one run have started, and what must hold of them and of the steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from floworch.core.machine.state import StepState
from floworch.core.machine.transition import Fact
from floworch.core.model.payload import Json
from floworch.core.model.status import RunStatus
from tests.simulation.child_runs import child_of, waits_for_child
from tests.simulation.ledger import Ledger
from tests.simulation.oracle import HandlerScript, usual_ends
from tests.simulation.specs import ChildSpec, Outcome, script_place, spec_of

if TYPE_CHECKING:
    from tests.simulation.cluster.account import RunAccount

__all__ = ["Family", "end_of"]

_STOPPED = Outcome("refuse", "Cancelled")
"""The run is being stopped before the step has begun to do anything. The oracle knows nothing of that."""
_Place: TypeAlias = tuple[str, tuple[int, ...], int]
"""Path, indexes and number of an execution, as scripts know it."""


@dataclass(slots=True)
class Family:
    """For the oracle also a script: what steps with children come to is told by these."""

    ledger: Ledger
    script: HandlerScript
    children: dict[tuple[str, int], RunAccount] = field(default_factory=dict)
    """Step and attempt → the run that was started by it."""
    told: dict[_Place, Outcome] = field(default_factory=dict)
    let_go: set[tuple[str, int]] = field(default_factory=set)
    """Attempts that somebody has ended by hand."""

    def members(self, run: RunAccount) -> Iterator[RunAccount]:
        """The run, whose family this is, and all that has come of it."""
        yield run
        for child in self.children.values():
            yield from child.family.members(child)

    @property
    def generations(self) -> int:
        """How many generations of runs there are, this one included."""
        return 1 + max((child.family.generations for child in self.children.values()), default=0)

    def outcome(self, path: str, indexes: tuple[int, ...], execution: int) -> Outcome:
        return self.told.get((path, indexes, execution)) or self.script.outcome(path, indexes, execution)

    def started(self, parent: RunAccount, child: RunAccount) -> None:
        """A run is there that names the other one as its parent."""
        step = child.facts.parent
        assert step is not None
        spec = self._spec(step.step_key)
        assert (step.step_key, step.attempt) not in self.children, f"{step} has started two runs"
        assert (step.step_key, step.attempt) in parent.attempts, f"{step} has started a run before it began"
        assert step.waits == spec.waits
        assert step.depth == 1 + (parent.facts.parent.depth if parent.facts.parent else 0)
        assert child.facts.idempotency_key == spec.key
        assert child.story.flow.body == (parent.story.flow.body if spec.body is None else spec.body)
        if spec.waits and parent.deadline is not None:
            assert child.deadline is not None
            assert child.deadline <= parent.deadline
        self.children[step.step_key, step.attempt] = child

    def wrote(self, rows: Mapping[str, StepState]) -> None:
        """No step waits for a run that is not there."""
        for key, row in rows.items():
            if waits_for_child(row):
                assert self.children[key, row.attempt].facts.run_id == child_of(row)

    def heard(self, fact: Fact, execution: int, owners: Mapping[tuple[UUID, str], UUID]) -> None:
        """A step of the run goes on. It has done so because of what its child has come to, or of whose key it is."""
        key = fact["step"]
        child = self.children.get((key, fact["attempt"]))
        outcome = self._outcome(fact)
        if outcome == _STOPPED:
            assert child is None
            return
        if child is None:
            self._check_key(key, outcome, owners)
        elif self._spec(key).waits:
            meant = [_as_step(end, self._spec(key)) for end in child.ends]
            assert outcome in meant, f"{key} came to {outcome}, its child to {child.ends}"
        else:
            assert outcome == Outcome("succeed", {"runId": str(child.facts.run_id)})
        self.told[(*script_place(key), execution)] = outcome

    def check_end(self) -> None:
        """The run has ended. So has every run that it has waited for, unless somebody has retried it."""
        for (key, attempt), child in self.children.items():
            if self._spec(key).waits and not child.retries and (key, attempt) not in self.let_go:
                assert child.status.is_final, f"the run has ended before {child.facts.run_id}, the child of {key}"

    def _outcome(self, fact: Fact) -> Outcome:
        """What the attempt has come to."""
        match fact["type"]:
            case "step.completed":
                return Outcome("succeed", self.ledger.outputs[fact["step"]].value)
            case "step.skipped":
                return Outcome("skip")
        kind = fact["error"]["type"]
        return Outcome("fail") if kind == "ChildFailed" else Outcome("refuse", kind)

    def _check_key(self, key: str, outcome: Outcome, owners: Mapping[tuple[UUID, str], UUID]) -> None:
        """The step has started no run: its key is another one's."""
        spec = self._spec(key)
        assert spec.key is not None, f"{key} came to {outcome} without a run"
        if spec.waits:
            assert outcome == Outcome("refuse", "IdempotencyConflict")
        else:
            assert outcome.output in [{"runId": str(owner)} for owner in owners.values()]

    def _spec(self, key: str) -> ChildSpec:
        child = spec_of(self.ledger.flow, key).child
        assert child is not None, f"{key} is no step that starts a run"
        return child


def end_of(run: RunAccount) -> Outcome:
    """What a run that has ended has come to, for a step that waits for it."""
    if run.status is RunStatus.SUCCEEDED:
        return Outcome("succeed", _output(run.ledger))
    return Outcome("skip" if run.status is RunStatus.SKIPPED else "fail")


def _output(ledger: Ledger) -> Json:
    outputs = {spec.key: ledger.output(spec.key) for spec in usual_ends(ledger.flow.steps)}
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs or None


def _as_step(end: Outcome, spec: ChildSpec) -> Outcome:
    return Outcome("succeed") if end.kind == "fail" and spec.on_failure == "continue" else end
