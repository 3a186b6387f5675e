"""Folding a run's history back into its present."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from floworch.core.machine.transition import Fact
from floworch.core.model.status import RunStatus, StepStatus

__all__ = ["Folded", "fold"]

_STEP_STATUS = {
    "step.ready": StepStatus.READY,
    "step.started": StepStatus.RUNNING,
    "step.reopened": StepStatus.RUNNING,
    "step.continued": StepStatus.RUNNING,
    "step.completed": StepStatus.SUCCEEDED,
    "step.failed": StepStatus.FAILED,
    "step.skipped": StepStatus.SKIPPED,
    "step.attempt_failed": StepStatus.PENDING,
    "step.pending": StepStatus.PENDING,
    "step.child_started": StepStatus.PENDING,
    "step.suspended": StepStatus.PENDING,
}
_GOES_ON = ("run.resumed", "run.stop_requested", "run.completed")


class Folded(NamedTuple):
    status: RunStatus
    steps: dict[str, tuple[StepStatus, int]]
    """Run-time key → (status, attempt) of every step with a row, ended iterations included."""
    signals: dict[str, str | None]
    """Id of every signal that has come → the step that has taken it, if one has."""
    is_suspended: bool


def fold(facts: Iterable[Fact]) -> Folded:
    """Status of the run and of its steps, told by the history alone."""
    status = RunStatus.RUNNING
    steps: dict[str, tuple[StepStatus, int]] = {}
    signals: dict[str, str | None] = {}
    is_suspended = False
    for fact in facts:
        kind = fact["type"]
        if kind in _STEP_STATUS:
            steps[fact["step"]] = (_STEP_STATUS[kind], fact["attempt"])
        elif kind == "step.reused":
            steps[fact["step"]] = (StepStatus(fact["status"]), fact["attempt"])
        elif kind == "step.reset":
            steps.pop(fact["step"], None)
        elif kind in ("signal.received", "signal.taken"):
            signals[fact["signal"]] = fact.get("step")
        elif kind == "run.completed":
            status = RunStatus(fact["status"])
        elif kind == "run.reopened":
            status = RunStatus.RUNNING
        is_suspended = kind == "run.suspended" or (is_suspended and kind not in _GOES_ON)
    return Folded(status, steps, signals, is_suspended)
