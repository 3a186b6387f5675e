"""When a failed attempt is worth another one, and how long to wait for it. Pure: chance is passed in."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

from floworch.core.model.payload import Json
from floworch.core.model.records import StepError

__all__ = ["Backoff", "ErrorName", "RetryPolicy", "next_delay", "type_names"]

Backoff: TypeAlias = Literal["fixed", "exponential"]

ErrorName: TypeAlias = type[BaseException] | str
"""An exception class; or the name of one, with or without its module; or an error type such as ``Timeout``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a step is tried, and how long it waits in between. Times are in seconds.

    ``max_attempts`` counts the first attempt too; polls and other deferrals are not attempts in this sense.
    ``exponential`` doubles ``initial`` after every failure, up to ``max``. ``jitter`` is the part of the delay that
    chance may take away: 0.25 gives 75 to 100 % of it, ``True`` means 0.5, ``False`` none.
    With ``retry_on`` only these errors are retried, subclasses included; ``give_up_on`` wins over it. Both are kept
    as names.

    Raises ``ValueError`` for values that make no sense.
    """

    max_attempts: int = 3
    backoff: Backoff = "exponential"
    initial: float = 1.0
    max: float = 3600.0
    jitter: bool | float = True
    retry_on: Collection[ErrorName] | ErrorName = ()
    give_up_on: Collection[ErrorName] | ErrorName = ()

    def __post_init__(self) -> None:
        _check_attempts(self.max_attempts)
        _check_backoff(self.backoff)
        _check_seconds("initial", self.initial)
        _check_seconds("max", self.max)
        if self.initial > self.max:
            raise ValueError(
                f"initial ({self.initial} s) is longer than max ({self.max} s); raise max or lower initial"
            )
        _check_jitter(self.jitter)
        object.__setattr__(self, "retry_on", _names("retry_on", self.retry_on))
        object.__setattr__(self, "give_up_on", _names("give_up_on", self.give_up_on))

    def to_json(self) -> dict[str, Json]:
        """Form of the manifest; :meth:`from_json` gives an equal policy back."""
        return {wire: _plain(getattr(self, name)) for name, wire in _WIRE_NAMES.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> RetryPolicy:
        """Policy from the form of the manifest; what is missing has its default. Raises ``ValueError``."""
        unknown = [key for key in value if key not in _FIELD_NAMES]
        if unknown:
            raise ValueError(f"a retry policy has no field {unknown[0]!r}{_nearest(unknown[0])}")
        return cls(**{_FIELD_NAMES[wire]: item for wire, item in value.items()})


def next_delay(
    policy: RetryPolicy | None, failures: int, error: StepError, exception_types: tuple[str, ...], random: float
) -> timedelta | None:
    """Wait before the next attempt; None when the step has failed for good.

    ``failures`` counts the failed attempts, this one included. ``exception_types`` are the names of the exception's
    class and its bases, from :func:`type_names`. ``random`` is in [0, 1).
    """
    if policy is None or not error.retryable or failures >= policy.max_attempts:
        return None
    if not _is_retried(policy, {error.type, *exception_types}):
        return None
    return timedelta(seconds=_whole_delay(policy, failures) * (1.0 - _jitter(policy) * random))


def type_names(exception_class: type[BaseException]) -> tuple[str, ...]:
    """Names by which a policy may know an exception: its class and its bases, each plain and with its module."""
    classes = [each for each in exception_class.__mro__ if each is not object]
    names = [name for each in classes for name in (each.__name__, f"{each.__module__}.{each.__qualname__}")]
    return tuple(dict.fromkeys(names))


def _is_retried(policy: RetryPolicy, names: set[str]) -> bool:
    if not names.isdisjoint(_as_names(policy.give_up_on)):
        return False
    return not policy.retry_on or not names.isdisjoint(_as_names(policy.retry_on))


def _whole_delay(policy: RetryPolicy, failures: int) -> float:
    if policy.backoff == "fixed" or not policy.initial:
        return policy.initial
    doublings = min(failures - 1, 64)  # 2**64 times the smallest useful delay is beyond every max
    return min(policy.initial * 2.0**doublings, policy.max)


def _jitter(policy: RetryPolicy) -> float:
    return 0.5 if policy.jitter is True else float(policy.jitter)


def _check_attempts(value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"max_attempts is {value!r}; it must be a whole number of at least 1 (1 means no retry)")


def _check_backoff(value: Any) -> None:
    if value not in get_args(Backoff):
        raise ValueError(f"backoff is {value!r}; it must be 'fixed' or 'exponential'")


def _check_seconds(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _TEN_YEARS_SECONDS:
        raise ValueError(
            f"{name} is {value!r}; it must be a number of seconds from 0 to {_TEN_YEARS_SECONDS} (ten years)"
        )


def _check_jitter(value: Any) -> None:
    if isinstance(value, bool):
        return
    if not isinstance(value, (int, float)) or math.isnan(value) or not 0 <= value <= 1:
        raise ValueError(f"jitter is {value!r}; it must be true, false or a fraction from 0 to 1")


def _names(field: str, value: Collection[ErrorName] | ErrorName) -> tuple[str, ...]:
    errors = (value,) if isinstance(value, (str, type)) else tuple(value)
    return tuple(_name(field, error) for error in errors)


def _name(field: str, error: Any) -> str:
    if isinstance(error, type) and issubclass(error, BaseException):
        return error.__name__ if error.__module__ == "builtins" else f"{error.__module__}.{error.__qualname__}"
    if isinstance(error, str) and error:
        return error
    raise ValueError(f"{field} has {error!r}; it must hold exception classes or names of error types")


def _as_names(errors: Collection[ErrorName] | ErrorName) -> Collection[Any]:
    return (errors,) if isinstance(errors, (str, type)) else errors


def _plain(value: Any) -> Json:
    return list(value) if isinstance(value, tuple) else value


def _nearest(key: str) -> str:
    close = difflib.get_close_matches(key, _FIELD_NAMES, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(_FIELD_NAMES)}"


_WIRE_NAMES = {
    "max_attempts": "maxAttempts",
    "backoff": "backoff",
    "initial": "initialSeconds",
    "max": "maxSeconds",
    "jitter": "jitter",
    "retry_on": "retryOn",
    "give_up_on": "giveUpOn",
}
_FIELD_NAMES = {wire: name for name, wire in _WIRE_NAMES.items()}
_TEN_YEARS_SECONDS = 10 * 366 * 86_400

assert set(_WIRE_NAMES) == {field.name for field in fields(RetryPolicy)}
