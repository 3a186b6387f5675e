"""Why a limit does not let a ready step start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from floworch.core.explain import words
from floworch.core.explain.reasons import Reason, ReasonCode
from floworch.core.model.limits import Limit, Quota

__all__ = ["UsedUp", "why_limited"]


@dataclass(frozen=True, slots=True)
class UsedUp:
    """A quota of which nothing is left. ``resumes_at`` is when its rate grants the next start, if that is what it
    waits for."""

    quota: Quota
    limit: Limit
    running: int
    resumes_at: datetime | None = None


def why_limited(key: str, ready_at: datetime | None, now: datetime, limits: Sequence[UsedUp]) -> Reason:
    """``limits`` are those that the step needs something of; at least one."""
    until = None if any(_is_full(each) for each in limits) else max(filter(None, map(_resumes, limits)), default=None)
    told = " and ".join(_told(each, now) for each in limits)
    sentence = f"Step {key!r} is ready{words.since(ready_at, now)}, but nothing is left of {told}."
    details: Mapping[str, Any] = {"limits": [_details(each) for each in limits]}
    return Reason(ReasonCode.LIMIT, key, sentence, ready_at, until, details)


def _told(used: UsedUp, now: datetime) -> str:
    which = f" for the key {used.quota.key!r}" if used.quota.key else ""
    name = f"the limit {used.quota.limit!r}{which}"
    if _is_full(used):
        return f"{name}: it lets {words.number(used.limit.concurrency or 0, 'attempt')} run at once"
    again = "" if used.resumes_at is None else f"; it grants the next start at {words.ahead(used.resumes_at, now)}"
    return f"{name}, whose rate is used up{again}"


def _is_full(used: UsedUp) -> bool:
    return used.limit.concurrency is not None and used.running >= used.limit.concurrency


def _resumes(used: UsedUp) -> datetime | None:
    return used.resumes_at


def _details(used: UsedUp) -> dict[str, Any]:
    return {
        "name": used.quota.limit,
        "key": used.quota.key or None,
        "limit": used.limit.model_dump(mode="json", by_alias=True),
        "running": used.running,
        "resumesAt": None if used.resumes_at is None else used.resumes_at.isoformat(),
    }
