"""The words in which runs and steps say how they are."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FINAL_STEP_STATUSES", "RunStatus", "StepStatus", "StopKind"]


class StepStatus(StrEnum):
    """Status of one step of one run. A step without a row waits for its dependencies."""

    READY = "Ready"
    """Its conditions are met; any worker may claim it."""
    RUNNING = "Running"
    """A worker holds its lease, or (loops) its iterations run."""
    PENDING = "Pending"
    """Parked until ``due_at``: a retry, a poll, a delay or a signal."""
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STEP_STATUSES


FINAL_STEP_STATUSES = frozenset({StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED})


class RunStatus(StrEnum):
    """Status of one run. All but ``RUNNING`` are final."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"

    @property
    def is_final(self) -> bool:
        return self is not RunStatus.RUNNING


class StopKind(StrEnum):
    """Why a run was asked to stop before its steps were done."""

    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"
