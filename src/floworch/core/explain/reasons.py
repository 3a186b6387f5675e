"""What an explanation is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from floworch.core.model.payload import Json

__all__ = ["Explanation", "Reason", "ReasonCode"]


class ReasonCode(StrEnum):
    """Kinds of reasons. What needs a person comes first, and reasons are told in this order."""

    UNREADABLE = "unreadable"
    """This version cannot read the manifest that the run is pinned to."""
    SUSPENDED = "suspended"
    """Somebody has suspended the run."""
    STOPPING = "stopping"
    """The run is being stopped, and something has to end first."""
    OVERDUE = "overdue"
    """The run's deadline has passed, and no process has acted on it."""
    LEASE_EXPIRED = "lease_expired"
    """The worker of a running step has sent no sign of life."""
    UNKNOWN_FLOW = "unknown_flow"
    """The step is ready, and its flow is not registered in this process."""
    NO_HANDLER = "no_handler"
    """The step is ready, and this process has no handler for its type."""
    NO_WORKER = "no_worker"
    """The step has been ready for long, and no process runs anything."""
    LIMIT = "limit"
    """The step is ready, and a limit does not let it start."""
    SIGNAL = "signal"
    """The step waits for signals."""
    CHILD = "child"
    """The step waits for a run that it has started."""
    RETRY = "retry"
    """An attempt has failed, and the next one comes later."""
    POLL = "poll"
    """The step polls, and the next poll comes later."""
    DEFERRED = "deferred"
    """The handler wants to be called again later."""
    PAUSE = "pause"
    """An ``Until`` pauses before its next iteration."""
    HANDLER = "handler"
    """A handler runs."""
    WORKER = "worker"
    """The step is ready, and a worker will take it."""
    WAIT = "wait"
    """The step is parked for a reason that has no word of its own."""
    DEPENDENCY = "dependency"
    """The step waits for steps that it runs after."""
    ITERATION = "iteration"
    """The iteration that the step is in has not begun."""
    BLOCK = "block"
    """The block, or the branch of a block, that the step is in has not begun."""
    INSIDE = "inside"
    """The step is a block, and waits for steps inside it."""

    NOT_UNDONE = "not_undone"
    """A compensation has failed: what it undoes is left."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    SKIPPED_BY_DEPENDENCY = "skipped_by_dependency"
    """A step that it runs after has ended otherwise than it wants."""
    SKIPPED_BY_CONDITION = "skipped_by_condition"
    """Its ``when`` was false."""
    SKIPPED_BY_STOP = "skipped_by_stop"
    """The run was being stopped."""
    SKIPPED_BY_HANDLER = "skipped_by_handler"
    """Its handler had nothing to do."""
    SKIPPED_BY_HAND = "skipped_by_hand"
    """Somebody has decided that it need not be done."""
    SKIPPED_INSIDE = "skipped_inside"
    """It is a block, or the run itself, and all that counts inside was skipped."""
    NEVER_BEGUN = "never_begun"
    """What it is in has ended without it."""
    SUCCEEDED = "succeeded"

    RETIRED = "retired"
    """The trigger is in the code no more."""
    DISABLED = "disabled"
    """The flow is disabled, and starts no runs."""
    PAUSED = "paused"
    """Somebody has paused the schedule."""
    OVERLAP = "overlap"
    """The next tick waits for an earlier run."""
    LATE = "late"
    """A tick is due, and nobody has dealt with it."""
    TICK = "tick"
    """The next tick lies ahead."""
    OVER = "over"
    """There are no more ticks."""

    @property
    def is_about_the_past(self) -> bool:
        """Whether it tells how something has ended, and not what it waits for."""
        return self in _PAST


_PAST = frozenset(
    {
        ReasonCode.NOT_UNDONE,
        ReasonCode.FAILED,
        ReasonCode.CANCELLED,
        ReasonCode.TIMED_OUT,
        ReasonCode.SKIPPED_BY_DEPENDENCY,
        ReasonCode.SKIPPED_BY_CONDITION,
        ReasonCode.SKIPPED_BY_STOP,
        ReasonCode.SKIPPED_BY_HANDLER,
        ReasonCode.SKIPPED_BY_HAND,
        ReasonCode.SKIPPED_INSIDE,
        ReasonCode.NEVER_BEGUN,
        ReasonCode.SUCCEEDED,
        ReasonCode.RETIRED,
        ReasonCode.OVER,
    }
)


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that holds something up, or that has ended it.

    ``sentence`` says all of it in plain English. ``since`` is when it began, ``until`` when it ends by itself; None
    where nobody knows. ``details`` are JSON values by names in camelCase, and depend on the ``code``.
    """

    code: ReasonCode
    step_key: str | None
    sentence: str
    since: datetime | None = None
    until: datetime | None = None
    details: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        return {
            "code": self.code.value,
            "stepKey": self.step_key,
            "sentence": self.sentence,
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why something is where it is.

    ``about`` names it: ``runId`` and perhaps ``stepKey``, or ``flow`` and ``trigger``. ``status`` is that of the run or
    step, ``Waiting`` for a step that has not begun, ``Scheduled`` and so on for a schedule.
    """

    about: Mapping[str, str]
    status: str
    sentence: str
    reasons: Sequence[Reason]
    """One for each step that holds it up, not for those that only wait for these. The most telling ones come first."""
    then: Sequence[str] = ()
    """Keys of the steps that only wait for what the reasons tell."""
    left_off: int = 0
    """Number of further reasons like these."""

    @property
    def codes(self) -> frozenset[ReasonCode]:
        """Which kinds of reasons there are."""
        return frozenset(reason.code for reason in self.reasons)

    def to_json(self) -> dict[str, Json]:
        return {
            **self.about,
            "status": self.status,
            "sentence": self.sentence,
            "reasons": [reason.to_json() for reason in self.reasons],
            "then": list(self.then),
            "leftOff": self.left_off,
        }
