"""One event of a run's history as one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from floworch.cli.words import local_time, plural, short
from floworch.core.model.records import HistoryEvent

__all__ = ["event_line"]

_STYLES = {
    "step.completed": "green",
    "step.failed": "bold red",
    "step.attempt_failed": "yellow",
    "step.pending": "yellow",
    "step.child_started": "yellow",
    "step.suspended": "yellow",
    "step.lost": "yellow",
    "step.skipped": "bright_black",
    "step.ready": "bright_black",
}


_BRANCHES = {
    "compensate": "undoes what its steps have done",
    "catch": "goes on with its catch",
    "finally": "goes on with its finally",
}


def event_line(event: HistoryEvent) -> Text:
    """``09:15:02.113  load           started, attempt 1``."""
    subject = event.step_key or "run"
    words = Text(_words(event) + _by(event.data), _STYLES.get(event.type, ""))
    return Text.assemble((local_time(event.at), "bright_black"), f"  {subject:<20} ", words)


def _words(event: HistoryEvent) -> str:
    data = event.data
    match event.type:
        case "run.started":
            return f"started by the trigger {data.get('trigger')!r}, version {data.get('version')}"
        case "run.completed":
            return f"ended {data.get('status')}"
        case "run.stop_requested":
            return f"is being stopped ({data.get('kind')}){_because(data.get('reason'))}"
        case "run.migrated":
            return f"goes on by version {data.get('version')} ({str(data.get('new')):.12})"
        case "run.suspended":
            return f"is suspended{_because(data.get('reason'))}"
        case "step.suspended":
            return "waits for the run to be resumed"
        case "step.run_now":
            return "waits no longer"
        case "step.completed" if "by_hand" in data:
            return f"succeeded, by hand{_because(data.get('reason'))}"
        case "step.started" if "iterations" in data:
            return f"started, {plural(data['iterations'], 'iteration')}"
        case "step.started" if "branch" in data:
            return "started"
        case "step.continued" if "branch" in data:
            return _BRANCHES[data["branch"]]
        case "step.started":
            return f"started, attempt {data.get('attempt')}"
        case "step.continued":
            return f"goes on with iteration {data.get('iteration')}"
        case "step.completed" if "failed" in data:
            return f"succeeded, although {plural(data['failed'], 'iteration')} failed, first {data['first_failure']}"
        case "step.completed":
            return "succeeded"
        case "step.failed":
            return f"failed{_because(_message(data))}"
        case "step.attempt_failed":
            next_at = _time(data.get("retry_at"))
            return f"attempt {data.get('attempt')} failed, next one at {next_at}{_because(_message(data))}"
        case "signal.received":
            return f"received the signal {data.get('name')!r}"
        case "signal.taken":
            return f"took the signal {data.get('name')!r}"
        case "step.pending" if "signals" in data:
            until = f" until {_time(data['until'])}" if data.get("until") else ""
            return f"waits for {', '.join(map(repr, data['signals']))}{until}"
        case "step.pending" if "poll" in data:
            return f"poll {data['poll']} was not it yet, next one at {_time(data.get('until'))}"
        case "step.pending":
            return f"waits until {_time(data.get('until'))}"
        case "step.child_started":
            return f"started the run {data.get('child')} of flow {data.get('flow')!r}"
        case "step.skipped":
            return f"skipped{_because(data.get('reason'))}"
        case "step.lost":
            return f"attempt {data.get('attempt')} was lost with its worker {data.get('worker')}"
        case "step.released":
            return f"handed back by {data.get('worker')}"
        case _:
            return event.type.partition(".")[2].replace("_", " ")


def _by(data: Mapping[str, Any]) -> str:
    return f" (by {data['by']})" if "by" in data else ""


def _message(data: Mapping[str, Any]) -> str:
    error = data.get("error") or {}
    return f"{error.get('type')}: {error.get('message')}"


def _because(reason: str | None) -> str:
    return f": {short(reason)}" if reason else ""


def _time(text: str | None) -> str:
    return local_time(datetime.fromisoformat(text)) if text else "some time"
