"""Rows as the store keeps them and as callers see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from floworch.core.model.payload import Json
from floworch.core.model.status import RunStatus, StepStatus, StopKind

__all__ = ["FlowRecord", "FlowVersion", "HistoryEvent", "RunRecord", "StepError", "StepRecord"]


@dataclass(frozen=True, slots=True)
class StepError:
    """Why an attempt failed. ``type`` is the exception's class name or an engine word such as ``Timeout``."""

    type: str
    message: str
    traceback: str | None = None
    retryable: bool = True

    def to_json(self) -> dict[str, Json]:
        return {"type": self.type, "message": self.message, "traceback": self.traceback}


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """A registered flow. ``manifest`` is the canonical JSON text whose SHA-256 is ``manifest_hash``."""

    id: UUID
    name: str
    version: str
    manifest_hash: str
    manifest: str
    is_enabled: bool = True
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FlowVersion:
    """A manifest that a flow has, or has had."""

    flow_id: UUID
    manifest_hash: str
    version: str
    """The label that the flow had with it when it was last registered."""
    first_seen: datetime
    last_seen: datetime
    """When a process has last started with it."""
    live_runs: int
    """Runs that go by it and have not ended."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as lists and detail views show it; payloads are asked for separately."""

    id: UUID
    flow_id: UUID
    flow_name: str
    flow_version: str
    manifest_hash: str
    status: RunStatus
    trigger_key: str
    revision: int
    started_at: datetime
    ended_at: datetime | None = None
    deadline: datetime | None = None
    stop_kind: StopKind | None = None
    stop_reason: str | None = None
    idempotency_key: str | None = None
    source_run_id: UUID | None = None
    scheduled_at: datetime | None = None
    """The tick that has started the run, for one that a schedule has."""
    parent_run_id: UUID | None = None
    parent_step_key: str | None = None
    """The step that has started the run, for a child."""
    suspended_at: datetime | None = None
    suspend_reason: str | None = None
    suspended_by: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the run can be found by."""
    concurrency_key: str | None = None
    """Whose share of the flow's limit per key its steps count for."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of one run with its payloads decoded. ``trace`` shows how a ``when`` was decided."""

    key: str
    type: str
    status: StepStatus
    attempt: int
    ready_at: datetime | None = None
    """Since when it could start, or at its latest attempt could have."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    reason: str | None = None
    owner: str | None = None
    lease_until: datetime | None = None
    """When the worker has to have sent a sign of life, while one runs it; by the store's clock where it has one."""
    input: Json = None
    output: Json = None
    error: Mapping[str, Json] | None = None
    trace: Sequence[Mapping[str, Json]] | None = None
    reused_from: UUID | None = None
    """The run in which the step has really run, for one that a forked run has taken over."""
    progress: Mapping[str, Any] | None = None
    """What the engine remembers of a step that is under way for longer than one attempt: its ``kind``, and the fields
    of that kind."""

    @property
    def loop(self) -> Mapping[str, Any] | None:
        """The progress of a loop over items: how many there are, and how the iterations have ended so far."""
        return self.progress if self.progress is not None and self.progress["kind"] == "loop" else None

    @property
    def is_block(self) -> bool:
        """Whether the step is made of steps, and has begun."""
        return self.progress is not None and self.progress["kind"] in ("loop", "until", "scope")

    @property
    def child_run_id(self) -> UUID | None:
        """The run that the last attempt has started, for a ``RunFlow``."""
        is_child = self.progress is not None and self.progress["kind"] == "child"
        return UUID(self.progress["run_id"]) if self.progress is not None and is_child else None


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One fact of a run's history. Facts of one commit share ``sequence`` and are ordered by ``index``."""

    sequence: int
    index: int
    run_id: UUID
    at: datetime
    type: str
    step_key: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
