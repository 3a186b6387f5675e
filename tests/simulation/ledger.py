"""What a store would hold of one run, kept in plain dictionaries, and the checks that it would make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from floworch.core.machine.block_output import state_payload
from floworch.core.machine.progress import GroupProgress, UntilProgress, progress_to_json
from floworch.core.machine.state import StepState
from floworch.core.machine.transition import Fact, Rarities, StepChange, Transition
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError
from floworch.core.model.status import StepStatus
from tests.simulation.oracle import Result, scope_outcome, succeeded_loop, succeeded_scope, usual_ends
from tests.simulation.specs import FlowSpec, spec_of, steps_of_scope

__all__ = ["Conflict", "Ledger", "result_of"]

_WHY_SKIPPED = {
    "prerequisites_unmet": "prerequisites",
    "when_false": "when",
    "handler": "handler",
    "operator": "operator",
    "run_stopped": "stopped",
    None: "iterations",
}
_WHY_FAILED = {"WorkerLost": "lost", "NotAList": "source", "IterationFailed": "iterations"}


class Conflict(Exception):
    """A row is not as the transition expected it; nothing was written."""


@dataclass(slots=True)
class Ledger:
    """Rows, payloads and history of one run. ``rows`` also holds those of settled scopes."""

    flow: FlowSpec
    rows: dict[str, StepState] = field(default_factory=dict)
    outputs: dict[str, Payload] = field(default_factory=dict)
    errors: dict[str, StepError] = field(default_factory=dict)
    items: dict[str, Payload] = field(default_factory=dict)
    inputs: dict[str, Payload] = field(default_factory=dict)
    signals: dict[str, Payload] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)
    reopened: set[str] = field(default_factory=set)
    """Scopes that a retry has reopened and that have not ended again."""
    facts: list[Fact] = field(default_factory=list)

    def write(self, transition: Transition) -> None:
        """Commit a transition. Raises :class:`Conflict`."""
        for key, change in transition.steps.items():
            self._compare(key, change)
        rarities = transition.rarities or Rarities()
        for key in rarities.removed:
            assert key not in transition.steps, f"{key} is both written and removed"
            self._forget(key)
        for key, change in transition.steps.items():
            self._put(key, change)
        for key, items in rarities.loop_items.items():
            self.items[key] = items
        self.signals |= {str(signal.letter.id): signal.payload for signal in rarities.signals}
        assert not set(rarities.settled) & set(rarities.revived), "settled and revived at once"
        self.settled |= set(rarities.settled)
        self.settled -= set(rarities.revived)
        self.reopened |= set(rarities.revived)
        self.reopened -= set(rarities.settled)
        self.facts += transition.facts

    def claim(self, key: str, owner: str, started: StepState) -> None:
        """What a store's claim writes."""
        assert self.rows[key].status is StepStatus.READY
        self.rows[key] = started
        self._put_payloads(key, None, None)
        self.facts.append({"type": "step.started", "step": key, "attempt": started.attempt, "worker": owner})

    def planner_rows(self) -> dict[str, StepState]:
        """Rows that a planner loads: all but those of settled scopes."""
        return {key: row for key, row in self.rows.items() if key.rpartition(".")[0] not in self.settled}

    def rows_of_ended_iterations(self, key: str) -> dict[str, StepState]:
        """States that a retry of ``key`` needs back: all rows below the outermost settled scope around it."""
        parts = key.split(".")
        scopes = (".".join(parts[:end]) for end in range(2, len(parts), 2))
        outermost = next((scope for scope in scopes if scope in self.settled), None)
        if outermost is None:
            return {}
        return {name: row for name, row in self.rows.items() if name.startswith(f"{outermost}.")}

    def rows_of_outermost_loop(self, key: str) -> dict[str, StepState]:
        """States that a retry of ``key`` needs once its run was stopped: those of all items."""
        parts = key.split(".")
        loop = next((".".join(parts[:end]) for end in range(1, len(parts), 2) if parts[end].isdigit()), None)
        return {} if loop is None else {name: row for name, row in self.rows.items() if name.startswith(f"{loop}.")}

    def payloads(self, refs: Iterable[PayloadRef]) -> dict[PayloadRef, Payload | None]:
        return {ref: self._payload(ref) for ref in refs}

    def output(self, key: str) -> Json:
        """Output of a step that succeeded, put together from its iterations if it is a loop; else null."""
        row = self.rows.get(key)
        return result_of(self, key).output if row is not None and row.is_final else None

    def results(self) -> dict[str, Result]:
        """The final rows in the words of the oracle."""
        return {key: result_of(self, key) for key, row in self.rows.items() if row.is_final}

    def _compare(self, key: str, change: StepChange) -> None:
        row, before = self.rows.get(key), change.before
        found = None if row is None else (row.status, row.attempt)
        expected = None if before is None else (before.status, before.attempt)
        if found != expected:
            raise Conflict(f"{key}: expected {expected}, found {found}")

    def _put(self, key: str, change: StepChange) -> None:
        self.rows[key] = change.state
        self._put_payloads(key, change.output, change.error)
        self.inputs.pop(key, None)
        if change.input is not None:
            self.inputs[key] = change.input

    def _put_payloads(self, key: str, output: Payload | None, error: StepError | None) -> None:
        self.outputs.pop(key, None)
        self.errors.pop(key, None)
        if output is not None:
            self.outputs[key] = output
        if error is not None:
            self.errors[key] = error

    def _forget(self, key: str) -> None:
        del self.rows[key]
        self._put_payloads(key, None, None)

    def _payload(self, ref: PayloadRef) -> Payload | None:
        match ref.kind:
            case PayloadKind.BODY:
                return Payload.of(self.flow.body)
            case PayloadKind.OUTPUT:
                return self.outputs.get(ref.step_key)
            case PayloadKind.ERROR:
                error = self.errors.get(ref.step_key)
                return None if error is None else Payload.of(error.to_json())
            case PayloadKind.ITEMS:
                return self.items.get(ref.step_key)
            case PayloadKind.SIGNAL:
                return self.signals.get(ref.step_key)
            case PayloadKind.HEADERS:
                return None
            case PayloadKind.INPUT:
                return self.inputs.get(ref.step_key)
            case PayloadKind.STATE:
                row = self.rows.get(ref.step_key)
                return None if row is None else _state(row)


def _state(row: StepState) -> Payload:
    return state_payload(row.status, None if row.progress is None else progress_to_json(row.progress))


def result_of(ledger: Ledger, key: str) -> Result:
    """A final row in the words of the oracle."""
    row = ledger.rows[key]
    if row.status is StepStatus.SUCCEEDED:
        if row.loop is not None:
            return succeeded_loop([_entry(ledger, f"{key}.{index}") for index in range(row.loop.total)])
        if isinstance(row.progress, UntilProgress):
            return succeeded_scope(_entry(ledger, f"{key}.{row.progress.started - 1}"))
        if isinstance(row.progress, GroupProgress):
            return succeeded_scope(_entry(ledger, f"{key}.{'catch' if row.progress.caught else 'steps'}"))
        return Result(row.status, ledger.outputs[key].value, shown=True)
    if row.status is StepStatus.SKIPPED:
        assert row.skip is not None or spec_of(ledger.flow, key).is_block, f"{key} has no kind of skip"
        return Result(row.status, why=_WHY_SKIPPED[row.skip])
    kind = ledger.errors[key].type
    return Result(row.status, why=_WHY_FAILED.get(kind, kind))


def _entry(ledger: Ledger, scope: str) -> dict[str, Result]:
    """The leaves of an iteration; none of one that has failed."""
    steps = steps_of_scope(ledger.flow, scope)
    ends = {spec.key: result_of(ledger, f"{scope}.{spec.key}") for spec in steps}
    if scope_outcome(steps, ends) is StepStatus.FAILED:
        return {}
    return {spec.key: ends[spec.key] for spec in usual_ends(steps)}
