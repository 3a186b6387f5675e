"""Events of a run's history as lines: one at a time as they come, or all of them with what lies between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from rich.text import Text

from floworch.cli.event_words import event_words
from floworch.cli.words import duration_words, local_day_and_time, local_time
from floworch.core.model.records import HistoryEvent

__all__ = ["event_line", "history_lines"]

_STYLES = {
    "step.completed": "green",
    "step.failed": "bold red",
    "step.attempt_failed": "yellow",
    "step.pending": "yellow",
    "step.child_started": "yellow",
    "step.lost": "yellow",
    "step.skipped": "bright_black",
    "step.ready": "bright_black",
}
_BEGINNINGS = frozenset({"step.started", "run.started", "run.reopened"})
_ENDS = frozenset(
    {"step.completed", "step.failed", "step.attempt_failed", "step.lost", "step.released", "run.completed"}
)


def event_line(event: HistoryEvent) -> Text:
    """``09:15:02.113  load           started, attempt 1``."""
    return Text.assemble((local_time(event.at), "bright_black"), "  ", _told(event))


def history_lines(events: Iterable[HistoryEvent], started_at: datetime) -> Iterator[Text]:
    """``09:15:02.113    +1.25 s  load           succeeded, after 0.31 s``: how long after the run's start, and how long
    an attempt took. A new day has a line of its own."""
    day = ""
    began: dict[str, datetime] = {}
    for event in events:
        if (today := local_day_and_time(event.at)[:10]) != day:
            day = today
            yield Text(day, "bold")
        took = _took(event, began)
        after = f", after {duration_words(took)}" if took is not None else ""
        since = f"+{duration_words(event.at - started_at)}"
        yield Text.assemble((f"{local_time(event.at)}  {since:>14}  ", "bright_black"), _told(event), after)


def _told(event: HistoryEvent) -> Text:
    subject = event.step_key or "run"
    return Text.assemble(f"{subject:<20} ", (event_words(event), _STYLES.get(event.type, "")))


def _took(event: HistoryEvent, began: dict[str, datetime]) -> timedelta | None:
    """How long it was that ends with the event. Notes what begins with it."""
    key = event.step_key or ""
    if event.type in _BEGINNINGS:
        began[key] = event.at
    elif event.type == "step.pending":
        began.setdefault(key, event.at)  # a wait that no worker has begun
    return event.at - began[key] if event.type in _ENDS and key in began else None
