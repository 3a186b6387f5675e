"""What scopes must keep to, told from the rows and the history alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from floworch.core.machine.progress import GroupProgress
from floworch.core.machine.state import SkipKind, StepState
from floworch.core.model.status import StepStatus
from tests.simulation.ledger import Ledger
from tests.simulation.specs import ScopeSpec, cleans_up, spec_of

__all__ = ["check_scopes", "failed_compensations", "gone_on", "is_refused"]

_BEGINS = ("step.ready", "step.started", "step.suspended")
_ENDS = ("step.completed", "step.failed", "step.skipped")


def check_scopes(ledger: Ledger) -> None:
    """Of a run that has ended: exactly what was done and not kept was undone, in reverse, one after the other; what
    cleans up has run, and no stop has kept any of that from running."""
    expected: set[str] = set()
    for key, row in ledger.rows.items():
        if isinstance(row.progress, GroupProgress):
            undone = _check_scope(ledger, key, row, row.progress)
            assert not expected & undone, f"{expected & undone} are undone twice"
            expected |= undone
    found = {key for key in ledger.rows if key.split(".")[-2:-1] == ["compensate"]}
    assert found == expected, f"undone: {sorted(found)}, to undo: {sorted(expected)}"
    for key, row in ledger.rows.items():
        assert not (cleans_up(key) and row.skip is SkipKind.RUN_STOPPED), f"{key} was stopped while it cleaned up"


def gone_on(ledger: Ledger) -> dict[str, str]:
    """Scopes that have acted upon the end of their steps, and how those had ended."""
    return {
        key: row.progress.body or ""
        for key, row in ledger.rows.items()
        if isinstance(row.progress, GroupProgress) and row.progress.phase != "steps"
    }


def failed_compensations(ledger: Ledger) -> list[str]:
    """Keys of the compensations that have failed for good."""
    rows = ledger.rows.items()
    return [key for key, row in rows if key.split(".")[-2:-1] == ["compensate"] and row.status is StepStatus.FAILED]


def is_refused(ledger: Ledger, key: str) -> bool:
    """Whether the step can no more be retried by hand, because a scope around it has gone on."""
    parts = key.split(".")
    fixed = gone_on(ledger)
    for end in range(len(parts) - 2, 0, -2):
        if parts[end] in ("compensate", "finally"):
            return False
        if parts[end] == "steps" and ".".join(parts[:end]) in fixed:
            return True
    return False


def _check_scope(ledger: Ledger, key: str, row: StepState, progress: GroupProgress) -> set[str]:
    """Returns the compensations that are the scope's."""
    scope = spec_of(ledger.flow, key).scope
    assert scope is not None
    assert row.is_final
    assert progress.body is not None
    assert not progress.to_undo
    assert not progress.undoing
    if scope.last:
        assert any(name.startswith(f"{key}.finally.") for name in ledger.rows), f"the finally of {key} has not run"
    if progress.body not in ("Failed", "Stopped"):
        return set()
    undone = {compensation: step for step, compensation in _to_undo(ledger, key, scope)}
    _check_order(ledger, undone)
    return set(undone)


def _to_undo(ledger: Ledger, key: str, scope: ScopeSpec) -> Iterator[tuple[str, str]]:
    """Step that has succeeded → its compensation, also for the steps of scopes inside that had kept what they did."""
    for spec in scope.steps:
        step_key = f"{key}.steps.{spec.key}"
        row = ledger.rows.get(step_key)
        if row is None:
            continue
        if spec.scope is not None and isinstance(row.progress, GroupProgress):
            if row.progress.body in ("Succeeded", "Skipped"):
                yield from _to_undo(ledger, step_key, spec.scope)
        elif spec.undo and row.status is StepStatus.SUCCEEDED:
            yield step_key, f"{key}.compensate.{spec.key}"


def _check_order(ledger: Ledger, undone: dict[str, str]) -> None:
    """The step that ended last is undone first, and each compensation begins after the one before has ended, at first:
    retries by hand may come at any time."""
    begins, ends = _first(ledger, _BEGINS), _first(ledger, _ENDS)
    reused = {fact["step"] for fact in ledger.facts if fact["type"] == "step.reused"}
    in_order = sorted(undone.keys() - reused, key=lambda compensation: begins[compensation])
    for before, after in pairwise(in_order):
        assert ends[before] < begins[after], f"{after} was undone before {before}"
        earlier, later = ledger.rows[undone[after]].ended_at, ledger.rows[undone[before]].ended_at
        assert earlier is not None
        assert later is not None
        assert earlier <= later, f"{before} was undone before {after}"
        if earlier == later:  # a retry by hand may have let a step end after those that run after it
            assert undone[before] not in _before(ledger, undone[after]), f"{before} was undone before {after}"


def _before(ledger: Ledger, key: str) -> list[str]:
    """Keys of the steps that the step runs after."""
    return [f"{key.rpartition('.')[0]}.{name}" for name, _ in spec_of(ledger.flow, key).run_after]


def _first(ledger: Ledger, kinds: tuple[str, ...]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, fact in enumerate(ledger.facts):
        if fact["type"] in kinds:
            places.setdefault(fact["step"], place)
    return places
