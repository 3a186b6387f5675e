"""What happened to a run, in words: one entry per type of event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from floworch.cli.words import local_time, plural, short
from floworch.core.model.records import HistoryEvent

__all__ = ["EVENT_WORDS", "event_words"]

_Data: TypeAlias = Mapping[str, Any]


def event_words(event: HistoryEvent) -> str:
    """``started, attempt 1``; the type itself for an event of a newer floworch."""
    words = EVENT_WORDS.get(event.type)
    told = _plain(event.type) if words is None else words(event.data)
    return told + _by(event.data)


# -- the run


def _run_started(data: _Data) -> str:
    parent = f", by step {data.get('parent_step')!r} of run {data['parent']}" if "parent" in data else ""
    return f"started by the trigger {data.get('trigger')!r}, version {data.get('version')}{parent}{_made_of(data)}"


def _made_of(data: _Data) -> str:
    if "fork_of" in data:
        return f", a fork of run {data['fork_of']} from step {data['from_step']!r}"
    return f", a rerun of run {data['rerun_of']}" if "rerun_of" in data else ""


def _run_completed(data: _Data) -> str:
    return f"ended {data.get('status')}"


def _stop_requested(data: _Data) -> str:
    return f"is being stopped ({data.get('kind')}){_because(data.get('reason'))}"


def _migrated(data: _Data) -> str:
    return f"goes on by version {data.get('version')} ({data.get('new')!s:.12})"


def _run_suspended(data: _Data) -> str:
    return f"is suspended{_because(data.get('reason'))}"


def _run_resumed(_: _Data) -> str:
    return "is resumed"


def _run_reopened(_: _Data) -> str:
    return "goes on again"


def _signal_received(data: _Data) -> str:
    return f"received the signal {data.get('name')!r}"


# -- a step begins


def _ready(_: _Data) -> str:
    return "ready"


def _started(data: _Data) -> str:
    if "iterations" in data:
        return f"started, {plural(data['iterations'], 'iteration')}"
    if "branch" in data:
        return "started"
    worker = f", by {data['worker']}" if "worker" in data else ""
    return f"started, attempt {data.get('attempt')}{worker}"


def _continued(data: _Data) -> str:
    if "branch" in data:
        return _BRANCHES.get(data["branch"], f"goes on with its {data['branch']}")
    return f"goes on with iteration {data.get('iteration')}"


def _reopened(_: _Data) -> str:
    return "goes on, for a step inside it runs again"


def _retried(_: _Data) -> str:
    return "is run again by hand"


def _reset(_: _Data) -> str:
    return "waits again for the steps before it"


def _reused(data: _Data) -> str:
    if "ended_at" in data:
        return f"taken over as it is, {data.get('status')} in run {data.get('run')}"
    return "taken over, and goes on"


def _run_now(_: _Data) -> str:
    return "waits no longer"


_BRANCHES: Final = {
    "compensate": "undoes what its steps have done",
    "catch": "goes on with its catch",
    "finally": "goes on with its finally",
}


# -- a step waits


def _pending(data: _Data) -> str:
    if "signals" in data:
        until = f" until {_time(data['until'])}" if data.get("until") else ""
        return f"waits for {', '.join(map(repr, data['signals']))}{until}"
    if "poll" in data:
        return f"poll {data['poll']} was not it yet, next one at {_time(data.get('until'))}"
    return f"waits until {_time(data.get('until'))}"


def _child_started(data: _Data) -> str:
    return f"started the run {data.get('child')} of flow {data.get('flow')!r}"


def _step_suspended(_: _Data) -> str:
    return "waits for the run to be resumed"


def _attempt_failed(data: _Data) -> str:
    next_at = _time(data.get("retry_at"))
    return f"attempt {data.get('attempt')} failed, next one at {next_at}{_because(_message(data))}"


def _lost(data: _Data) -> str:
    return f"attempt {data.get('attempt')} was lost with its worker {data.get('worker')}"


def _released(data: _Data) -> str:
    return f"handed back by {data.get('worker')}"


def _signal_taken(data: _Data) -> str:
    return f"took the signal {data.get('name')!r}"


# -- a step ends


def _completed(data: _Data) -> str:
    if "by_hand" in data:
        return f"succeeded, by hand{_because(data.get('reason'))}"
    if "failed" in data:
        return f"succeeded, although {plural(data['failed'], 'iteration')} failed, first {data['first_failure']}"
    return "succeeded"


def _failed(data: _Data) -> str:
    return f"failed{_because(_message(data))}"


def _skipped(data: _Data) -> str:
    return f"skipped{_because(data.get('reason'))}"


EVENT_WORDS: Final[Mapping[str, Callable[[_Data], str]]] = {
    "run.started": _run_started,
    "run.completed": _run_completed,
    "run.stop_requested": _stop_requested,
    "run.migrated": _migrated,
    "run.suspended": _run_suspended,
    "run.resumed": _run_resumed,
    "run.reopened": _run_reopened,
    "signal.received": _signal_received,
    "signal.taken": _signal_taken,
    "step.ready": _ready,
    "step.started": _started,
    "step.continued": _continued,
    "step.reopened": _reopened,
    "step.retried": _retried,
    "step.reset": _reset,
    "step.reused": _reused,
    "step.run_now": _run_now,
    "step.pending": _pending,
    "step.child_started": _child_started,
    "step.suspended": _step_suspended,
    "step.attempt_failed": _attempt_failed,
    "step.lost": _lost,
    "step.released": _released,
    "step.completed": _completed,
    "step.failed": _failed,
    "step.skipped": _skipped,
}
"""Type of event → what its data say. A type that is not here is told by its name."""


def _plain(event_type: str) -> str:
    return event_type.partition(".")[2].replace("_", " ")


def _by(data: _Data) -> str:
    return f" (by {data['by']})" if data.get("by") else ""


def _message(data: _Data) -> str:
    error = data.get("error") or {}
    return f"{error.get('type')}: {error.get('message')}"


def _because(reason: str | None) -> str:
    return f": {short(reason)}" if reason else ""


def _time(text: str | None) -> str:
    return local_time(datetime.fromisoformat(text)) if text else "some time"
