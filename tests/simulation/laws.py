"""What must hold after every transition, told from the rows alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from floworch.core.machine.history import fold
from floworch.core.machine.progress import GroupProgress, LoopProgress, UntilProgress
from floworch.core.machine.state import RunState, SkipKind, StepState, WaitKind
from floworch.core.model.payload import Json
from floworch.core.model.status import RunStatus, StepStatus
from tests.simulation.ledger import Ledger
from tests.simulation.operators import check_suspensions
from tests.simulation.polls import check_polls
from tests.simulation.scopes import check_scopes
from tests.simulation.specs import StepSpec, cleans_up, spec_of, steps_of_scope
from tests.simulation.truth import ExpressionFails, as_list, holds, read

__all__ = ["check_beginnings", "check_end", "check_history", "check_state"]


def check_state(state: RunState, ledger: Ledger) -> None:
    """The cached state is what the rows say: counters, limits, and something that can still happen.

    Iterations that a retry has reopened do not count towards the limit of their loop.
    """
    assert state.steps == ledger.planner_rows()
    scopes = _live_scopes(ledger)
    assert state.open_steps == {scope: _open_steps(ledger, scope) for scope in scopes}
    assert _counted(state, ledger) == {key: count for scope in scopes for key, count in _unmet(ledger, scope)}
    for key, row in ledger.rows.items():
        if row.loop is not None:
            _check_loop(ledger, key, row, row.loop)
        if isinstance(row.progress, UntilProgress):
            _check_until(ledger, key, row, row.progress)
    check_polls(ledger)
    if state.status is RunStatus.RUNNING:
        assert any(_can_move(row) for row in state.steps.values()), (
            "nothing can happen any more, and the run has not ended"
        )
    else:
        check_end(state, ledger)


def check_end(state: RunState, ledger: Ledger) -> None:
    """After the end every step of every scope that was entered is final."""
    assert state.ended_at is not None
    open_rows = {key: row.status for key, row in ledger.rows.items() if not row.is_final}
    assert not open_rows
    check_scopes(ledger)
    for scope in {"", *_entered_scopes(ledger)}:
        missing = [spec.key for spec in _steps(ledger, scope) if _key(scope, spec) not in ledger.rows]
        assert not missing, f"steps of {scope!r} without a row"


def check_history(state: RunState, ledger: Ledger) -> None:
    """Folding the history gives the present, and every end of the run but the last was undone by a retry."""
    folded = fold(ledger.facts)
    assert folded.status is state.status
    assert folded.is_suspended == (state.suspension is not None)
    check_suspensions(ledger, ledger.facts, is_suspended=folded.is_suspended)
    assert folded.steps == {key: (row.status, row.attempt) for key, row in ledger.rows.items()}
    kinds = Counter(fact["type"] for fact in ledger.facts)
    assert kinds["run.completed"] == kinds["run.reopened"] + (1 if state.status.is_final else 0)


def check_beginnings(ledger: Ledger, keys: Iterable[str], stopping: SkipKind | None) -> None:
    """Steps that have just got their row: by their dependencies and conditions, which are decided here once more."""
    for key in keys:
        _check_beginning(ledger, key, ledger.rows[key], stopping)


def _check_beginning(ledger: Ledger, key: str, row: StepState, stopping: SkipKind | None) -> None:
    spec = spec_of(ledger.flow, key)
    scope = key.rpartition(".")[0]
    ends = {name: ledger.rows.get(f"{scope}.{name}" if scope else name) for name, _ in spec.run_after}
    blocked = any(
        end is not None and end.is_final and end.status not in accepted
        for end, (_, accepted) in zip(ends.values(), spec.run_after, strict=True)
    )
    if row.skip is SkipKind.PREREQUISITES_UNMET:
        assert blocked, f"{key} was skipped although no dependency stands against it"
        return
    satisfied = not blocked and all(end is not None and end.is_final for end in ends.values())
    assert satisfied, f"{key} began before its dependencies were satisfied"
    if stopping is not None and not cleans_up(key):
        assert row.skip is stopping, f"{key} began while the run is being stopped"
        return
    decision = _decide(ledger, key, spec)
    assert _matches(decision, row, ledger.errors[key].type if key in ledger.errors else None), (
        f"{key} should have become {decision!r}, is {row}"
    )


def _decide(ledger: Ledger, key: str, spec: StepSpec) -> str:
    facts = _LedgerFacts(ledger, key)
    try:
        if not all(holds(guard, facts) for guard in spec.guards):
            return "when"
        if spec.until is not None:
            return "until"
        if spec.scope is not None:
            return "scope"
        if spec.signal is not None:
            return "wait"
        if spec.loop is None:
            return "start"
        source = spec.loop.source
        items = as_list(list(source) if isinstance(source, tuple) else read(source, facts))
    except ExpressionFails:
        return "ExpressionError"
    if items is None:
        return "NotAList"
    assert ledger.items[key].value == items
    return "loop"


def _matches(decision: str, row: StepState, error: str | None) -> bool:
    match decision:
        case "when":
            return row.skip is SkipKind.WHEN_FALSE
        case "wait":
            return row.status in (StepStatus.PENDING, StepStatus.SUCCEEDED)
        case "start":
            return row.status in (StepStatus.READY, StepStatus.RUNNING) or row.wait is WaitKind.SUSPENDED
        case "loop":
            return row.loop is not None
        case "until":
            return isinstance(row.progress, UntilProgress)
        case "scope":
            return isinstance(row.progress, GroupProgress)
        case _:
            return row.status is StepStatus.FAILED and error == decision


def _check_loop(ledger: Ledger, key: str, row: StepState, progress: LoopProgress) -> None:
    begun = [index for index in range(progress.total) if _is_entered(ledger, f"{key}.{index}")]
    assert begun == list(range(progress.started))
    in_flight = [scope for index in begun if _open_steps(ledger, scope := f"{key}.{index}")]
    assert len(in_flight) == progress.in_flight
    loop = spec_of(ledger.flow, key).loop
    assert loop is not None
    by_itself = set(in_flight) - ledger.reopened
    assert len(by_itself) <= loop.concurrency_limit, f"{in_flight} are in flight at once"
    if row.is_final and row.skip is not SkipKind.RUN_STOPPED:
        halted = loop.on_item_failure == "stopNew" and progress.failed
        assert progress.done == (progress.started if halted else progress.total)


def _check_until(ledger: Ledger, key: str, row: StepState, progress: UntilProgress) -> None:
    """One iteration after the other; none while the loop waits or has ended."""
    begun = [index for index in range(progress.started + 1) if _is_entered(ledger, f"{key}.{index}")]
    assert begun == list(range(progress.started))
    in_flight = [index for index in begun if _open_steps(ledger, f"{key}.{index}")]
    assert in_flight == ([progress.started - 1] if row.status is StepStatus.RUNNING else [])
    until = spec_of(ledger.flow, key).until
    assert until is not None
    assert 1 <= progress.started - progress.counted_from <= until.max_iterations


def _can_move(row: StepState) -> bool:
    return not row.is_final and not (row.is_block and row.status is StepStatus.RUNNING)


def _counted(state: RunState, ledger: Ledger) -> dict[str, int]:
    """The counter without entries that say no more than that nothing is final yet."""
    return {key: count for key, count in state.unmet.items() if count < len(spec_of(ledger.flow, key).run_after)}


def _live_scopes(ledger: Ledger) -> set[str]:
    return {"", *_entered_scopes(ledger)} - ledger.settled


def _entered_scopes(ledger: Ledger) -> set[str]:
    return {key.rpartition(".")[0] for key in ledger.rows}


def _is_entered(ledger: Ledger, scope: str) -> bool:
    return any(_key(scope, spec) in ledger.rows for spec in steps_of_scope(ledger.flow, scope))


def _open_steps(ledger: Ledger, scope: str) -> int:
    return sum(1 for spec in _steps(ledger, scope) if not _is_final(ledger, _key(scope, spec)))


def _steps(ledger: Ledger, scope: str) -> Iterable[StepSpec]:
    """Steps that end before the scope does. Of the compensations only those that have begun: the others never may."""
    steps = steps_of_scope(ledger.flow, scope)
    if scope.rpartition(".")[2] != "compensate":
        return steps
    return [spec for spec in steps if _key(scope, spec) in ledger.rows]


def _unmet(ledger: Ledger, scope: str) -> Iterable[tuple[str, int]]:
    for spec in steps_of_scope(ledger.flow, scope):
        waits_for = [name for name, _ in spec.run_after if not _is_final(ledger, f"{scope}.{name}" if scope else name)]
        if _key(scope, spec) not in ledger.rows and len(waits_for) < len(spec.run_after):
            yield _key(scope, spec), len(waits_for)


def _is_final(ledger: Ledger, key: str) -> bool:
    return key in ledger.rows and ledger.rows[key].is_final


def _key(scope: str, spec: StepSpec) -> str:
    return f"{scope}.{spec.key}" if scope else spec.key


@dataclass(frozen=True, slots=True)
class _LedgerFacts:
    """The run as the step ``key`` sees it, read from the rows."""

    ledger: Ledger
    key: str

    def body(self) -> Json:
        return self.ledger.flow.body

    def step(self, key: str) -> tuple[str | None, Json, str | None]:
        for scope in self._scopes():
            if any(spec.key == key for spec in steps_of_scope(self.ledger.flow, scope)):
                found = f"{scope}.{key}" if scope else key
                row = self.ledger.rows.get(found)
                if row is None:
                    return None, None, None  # a retry has taken it back, while something behind it was at work
                error = self.ledger.errors.get(found) if row.is_final else None  # not of an attempt that others follow
                kind = None if error is None else error.type
                return row.status.value, self.ledger.output(found), kind
        raise AssertionError(f"no step {key!r} in sight of {self.key}")

    def iteration(self, loop: str | None, *, of_items: bool) -> tuple[Json, int]:
        for scope in self._scopes():
            loop_key, _, index = scope.rpartition(".")
            items = self.ledger.items.get(loop_key)
            if index.isdigit() and loop in (None, loop_key.rpartition(".")[2]) and (items or not of_items):
                return items and items.value[int(index)], int(index)
        raise AssertionError(f"no loop {loop!r} around {self.key}")

    def _scopes(self) -> Iterable[str]:
        scope = self.key.rpartition(".")[0]
        while scope:
            yield scope
            block, _, branch = scope.rpartition(".")
            if branch in ("catch", "finally"):
                yield f"{block}.steps"
            scope = scope.rpartition(".")[0].rpartition(".")[0]
        yield ""
