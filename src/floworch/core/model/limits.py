"""Limits: how many attempts of steps may run at once, and how many may start in a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_serializer

from floworch.core.model.child_types import shown_type
from floworch.core.model.payload import Json
from floworch.core.model.wire import Seconds, WireModel
from floworch.errors import ConfigurationError

__all__ = [
    "LONGEST_CONCURRENCY_KEY",
    "Limit",
    "LimitRecord",
    "Quota",
    "Rate",
    "flow_limit",
    "key_limit",
    "make_limit",
    "type_limit",
]

LONGEST_CONCURRENCY_KEY = 400
_LARGEST = 2**31 - 1
_SECONDS_OF_A_CENTURY = 100 * 365 * 24 * 3600

Count = Annotated[int, Field(ge=1, le=_LARGEST, strict=True)]


class Rate(WireModel):
    """At most ``count`` starts in any ``per_seconds``, spread evenly."""

    count: Count
    """How many attempts may start in that time."""
    per_seconds: Annotated[Seconds, Field(gt=0, le=_SECONDS_OF_A_CENTURY)]
    """The time in seconds."""
    burst: Count = 1
    """How many may start at once after a quiet time. With more than 1, up to ``count + burst - 1`` can start in a time
    that begins with a burst."""

    @field_validator("burst")
    @classmethod
    def _check_burst(cls, burst: int, others: ValidationInfo) -> int:
        known = others.data
        if known.keys() >= {"count", "per_seconds"}:
            seconds = burst * known["per_seconds"] / known["count"]
            if seconds > _SECONDS_OF_A_CENTURY:  # of which no clock could tell when it is over
                raise ValueError("at that rate it takes more than a hundred years until a burst is there again")
        return burst


class Limit(WireModel):
    """Bounds the attempts of steps that run at the same time, or how often some start, or both.

    Steps that wait, poll or back off are not running.
    """

    concurrency: Count | None = None
    """Most attempts that run at once."""
    rate: Rate | None = None
    """How often attempts start."""

    @property
    def is_empty(self) -> bool:
        """Whether it limits nothing."""
        return self.concurrency is None and self.rate is None

    @model_serializer(mode="wrap")
    def _to_wire(self, handler: Any) -> dict[str, Json]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Quota(NamedTuple):
    """What one limit grants to those that share it: for a limit per key these are the runs of one key."""

    limit: str
    """Name of the limit."""
    key: str = ""
    """Empty, but for limits per key."""


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """How a limit stands in the store. ``code`` is what the code that started last says, None when it says nothing."""

    name: str
    code: Limit | None
    override: Limit | None = None
    """What somebody has set in its place; an empty limit where they have lifted it."""
    updated_at: datetime | None = None

    @property
    def in_force(self) -> Limit | None:
        """What holds; None when nothing is limited."""
        limit = self.code if self.override is None else self.override
        return None if limit is None or limit.is_empty else limit

    @property
    def rate(self) -> Rate | None:
        """The rate that holds."""
        return None if self.in_force is None else self.in_force.rate


def make_limit(concurrency: int | None, rate: Rate | None) -> Limit:
    """Raises ConfigurationError for what is no limit."""
    try:
        limit = Limit(concurrency=concurrency, rate=rate)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise ConfigurationError(f"bad limit: {place} is {problem['input']!r}; {problem['msg']}") from None
    if limit.is_empty:
        raise ConfigurationError("a limit needs a concurrency, a rate, or both")
    return limit


def type_limit(step_type: str) -> str:
    """Name of the limit of a step type, in whatever case it is written."""
    return f"type:{shown_type(step_type).casefold()}"


def flow_limit(flow_id: UUID) -> str:
    """Name of the limit of a flow."""
    return f"flow:{flow_id}"


def key_limit(flow_id: UUID) -> str:
    """Name of the limit that each key of a flow has."""
    return f"key:{flow_id}"
