"""What must hold of steps that poll, told from the history."""

from __future__ import annotations

from collections import Counter

from floworch.core.machine.progress import PollProgress
from floworch.core.machine.state import StepState
from floworch.core.model.status import StepStatus
from tests.simulation.ledger import Ledger
from tests.simulation.specs import spec_of

__all__ = ["check_polls"]

_BEGINS_ANEW = ("step.retried", "step.reset", "step.skipped")
_CAME_TO_NOTHING = ("step.pending", "step.attempt_failed", "step.lost", "step.released")


def check_polls(ledger: Ledger) -> None:
    """Polls are counted since the step began or was retried by hand, and its clock runs from then on."""
    polls, attempts = _counted(ledger)
    taken_over = {fact["step"] for fact in ledger.facts if fact["type"] == "step.reused"}
    for key in ledger.rows.keys() - taken_over:
        row = ledger.rows[key]
        if spec_of(ledger.flow, key).polls and row.status is not StepStatus.SKIPPED:
            progress = row.progress
            counted = progress.polls if isinstance(progress, PollProgress) else 0
            assert counted == polls[key], f"{key} has been polled {polls[key]} times, not {counted}"
            _check_clock(key, row, attempts[key])


def _check_clock(key: str, row: StepState, attempts: int) -> None:
    if row.is_final:
        return
    if attempts:
        assert row.waiting_since is not None, f"{key} has forgotten since when it waits"
    else:
        assert row.waiting_since is None, f"{key} waits since {row.waiting_since}, and has just begun"


def _counted(ledger: Ledger) -> tuple[Counter[str], Counter[str]]:
    """Step → polls, and → attempts after which it went on."""
    polls: Counter[str] = Counter()
    attempts: Counter[str] = Counter()
    for fact in ledger.facts:
        kind, key = fact["type"], fact.get("step", "")
        if kind in _BEGINS_ANEW:
            polls.pop(key, None)
            attempts.pop(key, None)
        elif kind in _CAME_TO_NOTHING:
            polls[key] += kind == "step.pending"
            attempts[key] += 1
    return polls, attempts
