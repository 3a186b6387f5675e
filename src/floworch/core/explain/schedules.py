"""Why a schedule has no tick now, and when the next one comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from floworch.core.explain import words
from floworch.core.explain.reasons import Explanation, Reason, ReasonCode
from floworch.core.model.schedules import ScheduleRecord

__all__ = ["ScheduleFacts", "explain_schedule"]

_STATUSES = {
    ReasonCode.RETIRED: "Retired",
    ReasonCode.DISABLED: "Disabled",
    ReasonCode.PAUSED: "Paused",
    ReasonCode.OVERLAP: "Waiting",
    ReasonCode.LATE: "Late",
    ReasonCode.TICK: "Scheduled",
    ReasonCode.OVER: "Over",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFacts:
    """A schedule, and what is known of the world around it. ``in_words`` is when it is due, in plain words."""

    record: ScheduleRecord
    flow: str
    in_words: str
    now: datetime
    is_flow_enabled: bool = True
    grace: timedelta = timedelta(seconds=60)
    """A tick that is due for longer is late."""
    waits_for: Explanation | None = None
    """Why the run goes on that has to end before the next tick, if there is one."""


def explain_schedule(facts: ScheduleFacts) -> Explanation:
    """Everything that keeps the schedule from firing now; at least when its next tick comes."""
    record = facts.record
    reasons = list(_reasons(facts))
    first = reasons[0]
    return Explanation(
        about={"flow": facts.flow, "trigger": record.trigger_key},
        status=_STATUSES[first.code],
        sentence=f"The schedule {record.trigger_key!r} of flow {facts.flow!r} ({facts.in_words}) {first.sentence}",
        reasons=reasons,
    )


def _reasons(facts: ScheduleFacts) -> Iterator[Reason]:
    record, now = facts.record, facts.now
    if record.retired_at is not None:
        at = words.ago(record.retired_at, now)
        yield Reason(
            ReasonCode.RETIRED, None, f"is retired: its trigger has not been in the code since {at}.", record.retired_at
        )
        return
    if not facts.is_flow_enabled:
        yield Reason(ReasonCode.DISABLED, None, "has no ticks: the flow is disabled, and starts no runs.")
    if record.paused_at is not None and not _is_pause_over(facts):
        yield _paused(record, now)
    if record.waits_for is not None:
        yield _overlap(facts)
    if facts.is_flow_enabled and record.waits_for is None:
        yield from _next(facts)


def _is_pause_over(facts: ScheduleFacts) -> bool:
    until = facts.record.paused_until
    return until is not None and until <= facts.now


def _paused(record: ScheduleRecord, now: datetime) -> Reason:
    why = f": {record.pause_reason}" if record.pause_reason else ""
    until = words.until(record.paused_until, now) or " until somebody resumes it"
    sentence = words.closed(f"is paused{words.since(record.paused_at, now)}{until}{why}")
    details = {"reason": record.pause_reason}
    return Reason(ReasonCode.PAUSED, None, sentence, record.paused_at, record.paused_until, details)


def _overlap(facts: ScheduleFacts) -> Reason:
    run_id, child = facts.record.waits_for, facts.waits_for
    due = facts.record.next_fire_at
    tick = "" if due is None else f" before its tick of {words.ahead(due, facts.now)}"
    why = "" if child is None else f" {child.sentence}"
    sentence = f"waits for the run {run_id} to end{tick}.{why}"
    details = {"runId": str(run_id), "explanation": None if child is None else child.to_json()}
    return Reason(ReasonCode.OVERLAP, None, sentence, due, None, details)


def _next(facts: ScheduleFacts) -> Iterator[Reason]:
    due = facts.record.due_at or facts.record.next_fire_at
    if due is None:
        if facts.record.paused_at is None or _is_pause_over(facts):
            yield Reason(ReasonCode.OVER, None, "has no more ticks.")
    elif facts.now - due > facts.grace:
        lag = (facts.now - due).total_seconds()
        sentence = (
            f"is late: its tick of {words.ago(due, facts.now)} was not dealt with. No process that has the flow works."
        )
        yield Reason(ReasonCode.LATE, None, sentence, due, None, {"lagSeconds": lag})
    else:
        at = words.ahead(due, facts.now)
        yield Reason(ReasonCode.TICK, None, f"has its next tick at {at}.", None, due)
