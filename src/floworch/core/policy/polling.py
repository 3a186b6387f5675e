"""How often to poll, for how long, and what is accepted for the settings. Pure: chance is passed in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

from floworch.core.model.payload import Json

__all__ = ["POLL_SETTINGS", "PollBackoff", "PollSettings", "faults_of"]

PollBackoff: TypeAlias = Literal["constant", "exponential"]
_TEN_YEARS_SECONDS: Final = 10 * 366 * 86_400
_SHORTEST_INTERVAL: Final = 1.0
_LONGEST_BY_DEFAULT: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """The settings of one polling step, with their defaults. Times are in seconds."""

    enabled: bool = True
    """Whether there is anything to wait for; otherwise the first result is the step's output."""
    interval: float = 10.0
    """Pause between the end of a poll and the next one; less than a second is taken for a second."""
    timeout: float = 300.0
    """The step fails when so much time has passed since its first attempt began; at least one interval."""
    min_attempts: int = 1
    """Polls that must have been made before a result counts."""
    condition_path: str | None = None
    condition_equals: Json = None
    backoff: PollBackoff = "constant"
    max_interval: float | None = None
    """Longest pause of ``exponential``; None is five minutes, or the interval if that is longer."""
    jitter: bool | float = False
    """Part of each pause that chance may take away; True is a half."""

    @classmethod
    def of(cls, inputs: Mapping[str, Json]) -> PollSettings:
        """Settings from inputs that are called as in :data:`POLL_SETTINGS`. Raises ``ValueError`` with all faults."""
        if faults := [f"{name} {fault}" for name, fault in faults_of(inputs)]:
            raise ValueError("; ".join(faults))
        given: dict[str, Any] = {
            POLL_SETTINGS[name]: float(value) if isinstance(value, Decimal) else value
            for name, value in inputs.items()
            if value is not None
        }
        return cls(**given)

    def next_pause(self, polls: int, waited: timedelta, random: float) -> timedelta | None:
        """Pause after so many polls; None when the time is up. The last poll is made just then.

        ``random`` is in [0, 1).
        """
        left = timedelta(seconds=max(self.timeout, self._first_pause)) - waited
        if left <= timedelta(0):
            return None
        jitter = 0.5 if self.jitter is True else float(self.jitter)
        return min(timedelta(seconds=self._whole_pause(polls) * (1.0 - jitter * random)), left)

    @property
    def _first_pause(self) -> float:
        return max(self.interval, _SHORTEST_INTERVAL)

    def _whole_pause(self, polls: int) -> float:
        if self.backoff == "constant":
            return self._first_pause
        longest = max(self._first_pause, _LONGEST_BY_DEFAULT) if self.max_interval is None else self.max_interval
        doublings = min(polls - 1, 64)  # beyond that every pause is longer than the longest one
        return max(self._first_pause, min(self._first_pause * 2.0**doublings, longest))


POLL_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pollEnabled": "enabled",
        "pollIntervalSeconds": "interval",
        "pollTimeoutSeconds": "timeout",
        "pollMinAttempts": "min_attempts",
        "pollConditionPath": "condition_path",
        "pollConditionEquals": "condition_equals",
        "pollBackoff": "backoff",
        "pollMaxIntervalSeconds": "max_interval",
        "pollJitter": "jitter",
    }
)
"""Name of the input → field of :class:`PollSettings`."""

assert set(POLL_SETTINGS.values()) == {field.name for field in fields(PollSettings)}


def faults_of(inputs: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """What is wrong with values of settings: the input, and what it must be. Null stands for the default."""
    for name, check in _CHECKS.items():
        value = inputs.get(name)
        if value is not None and (fault := check(value)):
            yield name, f"{fault}, got {value!r:.80}"


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _seconds(value: Any) -> str | None:
    if _is_number(value) and 0 <= value <= _TEN_YEARS_SECONDS:
        return None
    return f"must be a number of seconds from 0 to {_TEN_YEARS_SECONDS} (ten years)"


def _count(value: Any) -> str | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return None if is_count else "must be a whole number that is not negative"


def _path(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "must be a path such as 'data.items.0.state'"


def _backoff(value: Any) -> str | None:
    return None if value in get_args(PollBackoff) else "must be 'constant' or 'exponential'"


def _fraction(value: Any) -> str | None:
    if isinstance(value, bool) or (_is_number(value) and 0 <= value <= 1):
        return None
    return "must be true, false or a fraction from 0 to 1"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and math.isfinite(value)


_CHECKS: Final[Mapping[str, Callable[[Any], str | None]]] = MappingProxyType(
    {
        "pollEnabled": _boolean,
        "pollIntervalSeconds": _seconds,
        "pollTimeoutSeconds": _seconds,
        "pollMinAttempts": _count,
        "pollConditionPath": _path,
        "pollBackoff": _backoff,
        "pollMaxIntervalSeconds": _seconds,
        "pollJitter": _fraction,
    }
)
