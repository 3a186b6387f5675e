"""How far a run is, told by its history as it grows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from floworch.core.dag.keys import COMPENSATE, scope_of, split_scope, static_path
from floworch.core.model.manifest import AnyStep, Block, FlowManifest, Step
from floworch.core.model.records import HistoryEvent
from floworch.core.model.status import RunStatus, StepStatus

__all__ = ["RunProgress", "StepProgress"]

_STATUS = {
    "step.ready": StepStatus.READY,
    "step.released": StepStatus.READY,
    "step.started": StepStatus.RUNNING,
    "step.reopened": StepStatus.RUNNING,
    "step.continued": StepStatus.RUNNING,
    "step.pending": StepStatus.PENDING,
    "step.child_started": StepStatus.PENDING,
    "step.suspended": StepStatus.PENDING,
    "step.attempt_failed": StepStatus.PENDING,
    "step.completed": StepStatus.SUCCEEDED,
    "step.failed": StepStatus.FAILED,
    "step.skipped": StepStatus.SKIPPED,
}


@dataclass(slots=True)
class StepProgress:
    """What is known of one step. ``status`` None: it waits for others. ``total`` and ``done`` count iterations."""

    key: str
    type: str = ""
    status: StepStatus | None = None
    attempt: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    note: str | None = None
    waits_for: Sequence[str] = ()
    """Names of signals."""
    total: int | None = None
    done: int = 0

    @property
    def is_final(self) -> bool:
        return self.status is not None and self.status.is_final


class RunProgress:
    """``top`` holds the steps of the flow, by key and in the order of the manifest; ``inner`` those steps of iterations
    that are under way or failed, in the order in which they began. What went well inside a loop is only counted: there
    may be much."""

    def __init__(self, manifest: FlowManifest) -> None:
        self._body_sizes: dict[str, int] = {}
        self._types: dict[str, str] = {}
        self._note_steps(manifest.steps, "")
        self._final: defaultdict[str, set[str]] = defaultdict(set)
        self.status = RunStatus.RUNNING
        self.stop_reason: str | None = None
        self.suspension: str | None = None
        """Why the run is suspended, while it is."""
        self.top = {key: StepProgress(key, step.type) for key, step in manifest.steps.items()}
        self.inner: dict[str, StepProgress] = {}

    @property
    def done(self) -> int:
        """Steps of the flow that are final."""
        return sum(step.is_final for step in self.top.values())

    def inside(self, loop_key: str) -> list[StepProgress]:
        """The inner steps of a loop, those of loops inside it included."""
        return [step for key, step in self.inner.items() if key.startswith(f"{loop_key}.")]

    def apply(self, event: HistoryEvent) -> None:
        """Take the next event of the history into account."""
        if event.step_key is not None:
            self._apply_to_step(event, event.step_key)
        elif event.type == "run.suspended":
            self.suspension = event.data.get("reason") or "by hand"
        elif event.type == "run.resumed":
            self.suspension = None
        elif event.type == "run.completed":
            self.suspension = None
            self.status = RunStatus(event.data["status"])
        elif event.type == "run.reopened":
            self.status = RunStatus.RUNNING
        elif event.type == "run.stop_requested":
            self.suspension = None
            self.stop_reason = event.data.get("reason") or str(event.data.get("kind"))

    def _apply_to_step(self, event: HistoryEvent, key: str) -> None:
        if event.type == "step.reset":
            self._reset(key)
        elif event.type in _STATUS or event.type == "step.reused":
            step = self._step(key)
            _change(step, event)
            self._count(step)
            if step.status in (StepStatus.SUCCEEDED, StepStatus.SKIPPED):
                self.inner.pop(key, None)

    def _reset(self, key: str) -> None:
        fresh = StepProgress(key, self._type_of(key))
        if key in self.top:
            self.top[key] = fresh
        self.inner.pop(key, None)
        self._count(fresh)

    def _step(self, key: str) -> StepProgress:
        if key in self.top:
            return self.top[key]
        return self.inner.setdefault(key, StepProgress(key, self._type_of(key)))

    def _type_of(self, key: str) -> str:
        is_compensation = split_scope(scope_of(key))[1] == COMPENSATE
        return self._types.get(f"{static_path(key)}.{COMPENSATE}" if is_compensation else static_path(key), "")

    def _count(self, step: StepProgress) -> None:
        """Keep the loop around the step informed of how many iterations have ended."""
        scope = scope_of(step.key)
        if not split_scope(scope)[1].isdigit():
            return
        loop = self._step(split_scope(scope)[0])
        size = self._body_sizes.get(static_path(loop.key), 0)
        final = self._final[scope]
        was_done = len(final) >= size
        (final.add if step.is_final else final.discard)(step.key)
        loop.done += (len(final) >= size) - was_done

    def _note_steps(self, steps: Mapping[str, AnyStep], around: str) -> None:
        for key, step in steps.items():
            path = f"{around}.{key}" if around else key
            self._types[path] = step.type
            if isinstance(step, Step) and step.compensate is not None:
                self._types[f"{path}.{COMPENSATE}"] = step.compensate.type
            if isinstance(step, Block):
                branches = step.branches()
                self._body_sizes[path] = len(branches["steps"])
                for steps in branches.values():
                    self._note_steps(steps, path)


def _change(step: StepProgress, event: HistoryEvent) -> None:
    step.status = _STATUS.get(event.type) or StepStatus(event.data["status"])
    step.attempt = event.data.get("attempt", step.attempt)
    step.due_at = _due_at(event.data)
    step.note = _note(event)
    step.waits_for = tuple(event.data.get("signals", ()))
    if event.type in ("step.started", "step.reused") or step.waits_for:
        step.started_at = event.at
        if "iterations" in event.data:
            step.total, step.done = event.data["iterations"], 0
    step.ended_at = event.at if step.is_final else None


def _due_at(data: Mapping[str, Any]) -> datetime | None:
    text = data.get("retry_at") or data.get("until")
    return datetime.fromisoformat(text) if text else None


def _note(event: HistoryEvent) -> str | None:
    if "iteration" in event.data:
        return f"iteration {event.data['iteration']}"
    error = event.data.get("error")
    return error.get("message") if error else event.data.get("reason")
