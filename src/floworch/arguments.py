"""What callers pass in, checked before anything is done with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus
from floworch.core.model.tags import tag_fault, tag_name_fault, too_many_tags
from floworch.errors import ConfigurationError, InvalidPayload, InvalidTags, RunNotFound

__all__ = [
    "checked_by",
    "checked_headers",
    "checked_key",
    "checked_limit",
    "checked_moment",
    "checked_payload",
    "checked_priority",
    "checked_reason",
    "checked_run_id",
    "checked_statuses",
    "checked_tags",
    "checked_timeout",
    "checked_type",
    "checked_words",
    "required_reason",
    "unknown",
]

_HIGHEST_PRIORITY = 1000
_LONGEST_KEY = 256
_LONGEST_NAME = 200
_LONGEST_SEARCH = 1000
_LONGEST_TIMEOUT = timedelta(days=100 * 365)


def checked_by(by: str | None) -> str | None:
    """Who does it, for the history. Raises ConfigurationError."""
    return None if by is None else _checked_text(by, "who does it (by)", _LONGEST_NAME)


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Raises ConfigurationError for headers that are no text."""
    for name, value in headers.items():
        if not all(isinstance(text, str) for text in (name, value)):
            raise ConfigurationError(f"trigger headers are text; {name!r} is {value!r}")
    return dict(headers)


def checked_key(key: str | None, what: str = "an idempotency key") -> str | None:
    """Raises ConfigurationError for what a store cannot keep as a key."""
    return None if key is None else _checked_text(key, what, _LONGEST_KEY)


def checked_timeout(timeout: float | timedelta | None) -> timedelta | None:
    """Seconds or a time span, more than 0 and at most 100 years. Raises ConfigurationError."""
    if timeout is None:
        return None
    limit = timeout if isinstance(timeout, timedelta) else _time_span(timeout)
    if limit is None or not timedelta(0) < limit <= _LONGEST_TIMEOUT:
        raise ConfigurationError(f"timeout is {timeout!r}; a run needs more than 0 seconds, and at most 100 years")
    return limit


def _time_span(seconds: object) -> timedelta | None:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return None
    try:
        return timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None


def checked_reason(reason: str | None) -> str | None:
    """Why it is done, for people. Raises ConfigurationError."""
    if reason is not None and not isinstance(reason, str):
        raise ConfigurationError(f"a reason is text, not {reason!r:.80}")
    return reason


def required_reason(reason: str | None) -> str:
    """Why it is done, where whoever comes after must be told. Raises ConfigurationError."""
    checked = checked_reason(reason)
    if checked is None or not checked.strip():
        raise ConfigurationError(f"say why: a reason is text, not {reason!r}")
    return checked


def checked_payload(value: Any, what: str, max_bytes: int) -> Payload:
    """The value as JSON. Raises InvalidPayload, or PayloadTooLarge, that says which value of the call is meant."""
    try:
        return Payload.of(value, max_bytes=max_bytes)
    except InvalidPayload as error:
        raise type(error)(f"{what} cannot be stored: {error}") from error.__cause__


def checked_priority(priority: int) -> int:
    """Raises ConfigurationError."""
    if not _is_whole_number(priority) or abs(priority) > _HIGHEST_PRIORITY:
        raise ConfigurationError(
            f"priority is {priority!r}; it must be a whole number from {-_HIGHEST_PRIORITY} to {_HIGHEST_PRIORITY}"
        )
    return priority


def _is_whole_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Raises InvalidTags for what no run can have."""
    given = dict(tags or {})
    faults = [too_many_tags(given), *(_tag_fault(name, value) for name, value in given.items())]
    if fault := next(filter(None, faults), None):
        raise InvalidTags(fault)
    return given


def checked_moment(at: datetime | None, what: str) -> datetime | None:
    """Raises ConfigurationError for what is no time, or one that has no time zone."""
    if at is not None and not isinstance(at, datetime):
        raise ConfigurationError(f"{what} is {at!r:.80}; write datetime(..., tzinfo=UTC)")
    if at is not None and at.utcoffset() is None:
        raise ConfigurationError(f"{what} is {at!r}, which has no time zone; write datetime(..., tzinfo=UTC)")
    return at


def checked_statuses(status: RunStatus | str | Iterable[RunStatus | str] | None) -> frozenset[RunStatus] | None:
    """One status or several, also by their names. Raises ConfigurationError for one that there is not."""
    if status is None:
        return None
    return frozenset(map(_run_status, [status] if isinstance(status, str) else status))


def checked_type(step_type: str) -> str:
    """Raises ConfigurationError for what no step can have for its type."""
    return _checked_text(step_type, "a step type", _LONGEST_NAME)


def checked_words(text: str | None) -> str | None:
    """What is searched for in errors; None when that is nothing. Raises ConfigurationError."""
    return None if text is None or text == "" else _checked_text(text, "what errors say", _LONGEST_SEARCH)


def checked_limit(limit: int) -> int:
    """Raises ConfigurationError for what cannot be a number of things."""
    if type(limit) is not int or limit < 0:
        raise ConfigurationError(f"limit is {limit!r}; it must be a whole number that is not negative")
    return limit


def checked_run_id(run_id: UUID | str) -> UUID:
    """The id, also from its text. Raises RunNotFound for text that is none."""
    if isinstance(run_id, UUID):
        return run_id
    try:
        return UUID(run_id)
    except (ValueError, TypeError, AttributeError):  # the latter two of what is no text
        raise RunNotFound(
            f"{run_id!r} is not the id of a run; ids look like 0190b6a1-3c5e-7f0a-9a51-7d3e5c2b1a00"
        ) from None


def _run_status(status: RunStatus | str) -> RunStatus:
    try:
        return RunStatus(status)
    except ValueError:
        raise ConfigurationError(unknown("status of runs", str(status), [str(each) for each in RunStatus])) from None


def _tag_fault(name: object, value: object) -> str | None:
    if not isinstance(value, str):
        return f"the tag {name!r} must be text, not {value!r:.120}; write it as you will search for it"
    return tag_fault(name, value) if isinstance(name, str) else tag_name_fault(name)


def unknown(what: str, name: str, known: list[str]) -> str:
    """The message for a name that is not known, with the nearest one that is."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(map(repr, known)) or 'none'}"
    return f"no {what} is called {name!r}; {hint}"


def _checked_text(text: object, what: str, longest: int) -> str:
    if not isinstance(text, str) or not text.strip() or len(text) > longest:
        raise ConfigurationError(f"{what} is text of 1 to {longest} characters, not {text!r:.80}")
    if "\0" in text or text != text.encode("utf-8", "replace").decode():
        raise ConfigurationError(f"{what} holds neither NUL nor halves of characters, as does {text!r:.80}")
    return text
