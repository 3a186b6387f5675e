"""What ``floworch bulk`` can do to many runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from floworch.bulk import BulkReport, Selection

__all__ = ["OF_STEPS", "WITH_REASON", "Action", "Asked", "carry_out"]


class Action(StrEnum):
    """What can be done to many runs at once from here."""

    CANCEL = "cancel"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETRY = "retry"
    RERUN = "rerun"
    FORK = "fork"
    COMPLETE = "complete"
    FAIL = "fail"
    SKIP = "skip"
    RUN_NOW = "run-now"
    MIGRATE = "migrate"


OF_STEPS = (Action.FORK, Action.COMPLETE, Action.FAIL, Action.SKIP, Action.RUN_NOW)
"""Those that need a step."""
WITH_REASON = (Action.FAIL, Action.SKIP)
"""Those that need a reason."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An action with all that was said about it."""

    action: Action
    step: str
    """Empty for what is about whole runs."""
    reason: str | None
    to: str
    by: str | None
    dry_run: bool
    is_sure: bool

    @property
    def only_counts(self) -> bool:
        """Whether nothing is asked of the runs themselves."""
        return self.dry_run and self.action is not Action.MIGRATE


async def carry_out(selection: Selection, asked: Asked, **watching: Any) -> BulkReport:
    """Do it to each run of the selection. ``watching`` goes to the selection's verb: ``progress`` and ``abort``."""
    match asked.action:
        case Action.CANCEL:
            return await selection.cancel(asked.reason, by=asked.by, **watching)
        case Action.SUSPEND:
            return await selection.suspend(asked.reason, by=asked.by, **watching)
        case Action.RESUME:
            return await selection.resume(by=asked.by, **watching)
        case Action.RETRY if not asked.step:
            return await selection.retry_failed(by=asked.by, **watching)
        case Action.RERUN:
            return await selection.rerun(by=asked.by, **watching)
        case Action.MIGRATE:
            return await selection.migrate(to=asked.to, dry_run=asked.dry_run, by=asked.by, **watching)
        case _:
            return await _act_on_step(selection, asked, **watching)


async def _act_on_step(selection: Selection, asked: Asked, **watching: Any) -> BulkReport:
    step, reason, watching = asked.step, asked.reason or "", {"by": asked.by, **watching}
    match asked.action:
        case Action.RETRY:
            return await selection.retry(step, **watching)
        case Action.FORK:
            return await selection.fork(step, **watching)
        case Action.COMPLETE:
            return await selection.complete_step(step, reason=asked.reason, **watching)
        case Action.FAIL:
            return await selection.fail_step(step, reason, **watching)
        case Action.SKIP:
            return await selection.skip_step(step, reason, **watching)
        case Action.RUN_NOW:
            return await selection.run_step_now(step, **watching)
        case _:
            raise AssertionError(asked.action)
