"""Limits in words and as documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from floworch.cli.words import duration_words
from floworch.core.model.limits import Limit
from floworch.limits import LimitStatus

__all__ = ["limit_document", "limit_lines", "limit_words"]

_MOST_KEYS = 20


def limit_words(limit: Limit | None) -> str:
    """``2 at once, 100 per 60 s``."""
    if limit is None or limit.is_empty:
        return "not limited"
    parts = [] if limit.concurrency is None else [f"{limit.concurrency} at once"]
    if (rate := limit.rate) is not None:
        burst = "" if rate.burst == 1 else f" in bursts of {rate.burst}"
        parts.append(f"{rate.count} per {rate.per_seconds:g} s{burst}")
    return ", ".join(parts)


def limit_lines(status: LimitStatus) -> Iterator[str]:
    """Everything about one limit."""
    yield f"{status.name}: {limit_words(status.limit)}"
    if status.override is not None:
        yield f"set in place of the code, which says: {limit_words(status.code)}"
    yield f"now: {status.running} running, {status.waiting} ready"
    if status.resumes_after is not None:
        yield f"the next one may start in {duration_words(status.resumes_after)}"
    for key, used in list(status.by_key.items())[:_MOST_KEYS]:
        yield f"  {key}: {used.running} running, {used.waiting} ready"
    if len(status.by_key) > _MOST_KEYS:
        yield f"  and {len(status.by_key) - _MOST_KEYS} more keys; --json has them all"


def limit_document(status: LimitStatus) -> dict[str, Any]:
    """All fields of the limit."""
    return {
        "name": status.name,
        "limit": _wire(status.limit),
        "code": _wire(status.code),
        "override": _wire(status.override),
        "running": status.running,
        "waiting": status.waiting,
        "byKey": {key: {"running": used.running, "waiting": used.waiting} for key, used in status.by_key.items()},
        "resumesAfterSeconds": None if status.resumes_after is None else status.resumes_after.total_seconds(),
        "updatedAt": status.updated_at,
        "warning": status.warning,
    }


def _wire(limit: Limit | None) -> Any:
    return None if limit is None else limit.model_dump()
