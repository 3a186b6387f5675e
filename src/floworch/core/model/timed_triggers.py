"""Triggers that the clock pulls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import to_jsonable_python

from floworch.core.model.payload import Json
from floworch.core.model.trigger_base import TriggerBase
from floworch.core.model.wire import JsonValue, Pause, Seconds, wire_name

__all__ = ["AtTrigger", "CatchUp", "CronTrigger", "IntervalTrigger", "Overlap", "TimedTrigger"]


CatchUp: TypeAlias = Literal["latest", "none", "all"]
"""What becomes of ticks that nobody was there for: the last one of them starts a run, none does, or all do, up to the
limit. The others are missed."""

Overlap: TypeAlias = Literal["allow", "skip", "queue", "cancel_previous"]
"""What happens when a tick comes while a run of the same trigger still goes on: another run starts beside it, the tick
is passed over, the tick waits until no run of the trigger goes on, or the runs that go on are cancelled."""


def _in_utc(value: object) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else value


Moment = Annotated[AwareDatetime, BeforeValidator(_in_utc)]


class TimedTrigger(TriggerBase):
    """What all triggers have in common that the clock pulls."""

    catch_up: CatchUp = "latest"
    """What becomes of ticks that were missed while no process ran: the ``latest`` starts a run, ``none`` does, or
    ``all`` do."""
    catch_up_limit: int = 100
    """Most ticks that are caught up with, and most ticks that wait in a queue."""
    overlap: Overlap = "allow"
    """What happens to a tick that comes while a run of this trigger still goes on: ``allow`` another run, ``skip`` the
    tick, ``queue`` it until that run has ended, or ``cancel_previous`` runs."""
    jitter_seconds: Pause = 0
    """Each run starts up to so many seconds after its tick, so that not all schedules start at once."""
    start: Moment | None = None
    """No tick before it."""
    end: Moment | None = None
    """No tick after it."""
    inputs: JsonValue = None
    """Body of the runs."""

    def wire_inputs(self) -> dict[str, Json]:
        fields = type(self).model_fields
        changed = [name for name in fields if name not in _OUTSIDE and getattr(self, name) != fields[name].default]
        return {wire_name(name): _plain(getattr(self, name)) for name in changed}


_OUTSIDE = ("type", "description")


def _plain(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat() if isinstance(value, datetime) else to_jsonable_python(value)


class CronTrigger(TimedTrigger):
    """Started by the clock, at times of the calendar."""

    wire_type: ClassVar[str] = "Cron"
    type: Literal["Cron"] = "Cron"
    cron_expression: str
    """Five fields (minute, hour, day of month, month, day of week), or six with seconds at the end; or a name such as
    ``@daily``."""
    time_zone: str = "UTC"
    """IANA name of the zone in which the expression is read."""


class IntervalTrigger(TimedTrigger):
    """Started by the clock, again and again after the same time, counted from ``start``.

    Without a start it is counted from the beginning of 1970 (UTC): every 900 seconds are the quarters of the hour.
    """

    wire_type: ClassVar[str] = "Interval"
    type: Literal["Interval"] = "Interval"
    every: Seconds
    """Seconds from one tick to the next."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            every: float | timedelta,
            catch_up: CatchUp = "latest",
            catch_up_limit: int = 100,
            overlap: Overlap = "allow",
            jitter_seconds: float = 0,
            start: datetime | None = None,
            end: datetime | None = None,
            inputs: Json = None,
            description: str | None = None,
        ) -> None: ...


class AtTrigger(TimedTrigger):
    """Started by the clock, once."""

    wire_type: ClassVar[str] = "At"
    type: Literal["At"] = "At"
    at: Moment
    """When; with its distance to UTC."""
