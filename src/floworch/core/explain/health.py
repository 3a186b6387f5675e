"""Whether everything works as it should, and what does not. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from floworch.core.explain import words
from floworch.core.model.payload import Json

__all__ = ["Health", "HealthCode", "HealthFacts", "HealthReason", "HealthStatus", "Overdue", "judge"]


class HealthStatus(StrEnum):
    """How it is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """It works, and something is later than it should be."""
    UNHEALTHY = "unhealthy"
    """This process can do nothing."""


class HealthCode(StrEnum):
    """What is not as it should be."""

    NOT_STARTED = "not_started"
    """The orchestrator was not started, or was stopped."""
    STORAGE = "storage"
    """The store cannot be reached."""
    COMMITS = "commits"
    """More is to be committed than the store takes."""
    STEPS = "steps"
    """A step is ready, and no worker takes it."""
    LEASES = "leases"
    """A worker has sent no sign of life, and nobody has acted on that."""
    TIMERS = "timers"
    """The time of a waiting step has come, and nobody has acted on that."""
    DEADLINES = "deadlines"
    """The deadline of a run has passed, and nobody has acted on that."""
    SCHEDULES = "schedules"
    """A tick is due, and nobody has dealt with it."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Something that should have been done. ``what`` names it in ids; ``since`` is when it became due, if known."""

    what: Mapping[str, str]
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """What the judgement is made from. The lists hold what is late already, earliest first, and perhaps not all of it.

    ``storage_error`` None means that the store has answered.
    """

    now: datetime
    is_started: bool = True
    storage_error: str | None = None
    commits_waiting: int = 0
    most_commits: int = 1000
    """More that wait are too many."""
    is_anybody_at_work: bool = True
    steps: Sequence[Overdue] = ()
    leases: Sequence[Overdue] = ()
    timers: Sequence[Overdue] = ()
    deadlines: Sequence[Overdue] = ()
    schedules: Sequence[Overdue] = ()


@dataclass(frozen=True, slots=True)
class HealthReason:
    """One thing that is not as it should be. ``details`` are JSON values by names in camelCase."""

    code: HealthCode
    status: HealthStatus
    """How bad it is."""
    sentence: str
    details: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        return {
            "code": self.code.value,
            "status": self.status.value,
            "sentence": self.sentence,
            "details": dict(self.details),
        }


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is that of the worst reason. A process that only asks can be healthy while nobody works."""

    status: HealthStatus
    reasons: Sequence[HealthReason]
    checked_at: datetime

    @property
    def is_healthy(self) -> bool:
        return self.status is HealthStatus.HEALTHY

    def to_json(self) -> dict[str, Json]:
        return {
            "status": self.status.value,
            "reasons": [reason.to_json() for reason in self.reasons],
            "checkedAt": self.checked_at.isoformat(),
        }


def judge(facts: HealthFacts) -> Health:
    """Everything that is wrong; what makes the rest unknowable comes alone."""
    reasons = list(_reasons(facts))
    worst = max((reason.status for reason in reasons), key=list(HealthStatus).index, default=HealthStatus.HEALTHY)
    return Health(worst, reasons, facts.now)


def _reasons(facts: HealthFacts) -> Iterator[HealthReason]:
    if not facts.is_started:
        sentence = "The orchestrator is not running: it was not started, or it was stopped."
        yield HealthReason(HealthCode.NOT_STARTED, HealthStatus.UNHEALTHY, sentence)
        return
    if facts.storage_error is not None:
        sentence = f"The storage cannot be used: {facts.storage_error}"
        yield HealthReason(HealthCode.STORAGE, HealthStatus.UNHEALTHY, sentence, {"error": facts.storage_error})
        return
    if facts.commits_waiting > facts.most_commits:
        sentence = f"{facts.commits_waiting} changes wait to be committed: the storage does not keep up."
        yield _degraded(HealthCode.COMMITS, sentence, {"waiting": facts.commits_waiting})
    yield from _late(facts, HealthCode.STEPS, facts.steps, ("flow has", "flows have"), _steps_words(facts))
    yield from _late(facts, HealthCode.LEASES, facts.leases, ("lease has", "leases have"), "run out, and nobody acts")
    yield from _late(facts, HealthCode.TIMERS, facts.timers, ("timer is", "timers are"), "overdue")
    yield from _late(facts, HealthCode.DEADLINES, facts.deadlines, ("deadline has", "deadlines have"), "passed")
    yield from _late(facts, HealthCode.SCHEDULES, facts.schedules, ("schedule is", "schedules are"), "late")


def _steps_words(facts: HealthFacts) -> str:
    who = "the workers are busy with others" if facts.is_anybody_at_work else "no process runs any step"
    return f"steps that are ready for too long: {who}"


def _late(
    facts: HealthFacts, code: HealthCode, found: Sequence[Overdue], nouns: tuple[str, str], what: str
) -> Iterator[HealthReason]:
    if not found:
        return
    since = min((each.since for each in found if each.since is not None), default=None)
    lag = None if since is None else (facts.now - since) / timedelta(seconds=1)
    longest = f" The longest for {words.span(facts.now - since)}." if since is not None else ""
    details: dict[str, Json] = {
        "count": len(found),
        "since": None if since is None else since.isoformat(),
        "lagSeconds": lag,
        "first": [dict(each.what) for each in found[:_MOST_NAMED]],
    }
    yield _degraded(code, f"{len(found)} {nouns[len(found) > 1]} {what}.{longest}", details)


_MOST_NAMED = 5


def _degraded(code: HealthCode, sentence: str, details: Mapping[str, Json]) -> HealthReason:
    return HealthReason(code, HealthStatus.DEGRADED, sentence, details)
