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

    def __init__(self, word: str) -> None:
        self.is_final = word in ("Succeeded", "Failed", "Skipped")


FINAL_STEP_STATUSES = frozenset(status for status in StepStatus if status.is_final)


class RunStatus(StrEnum):
    """Status of one run. All but ``RUNNING`` are final."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"

    def __init__(self, word: str) -> None:
        self.is_final = word != "Running"


class StopKind(StrEnum):
    """Why a run was asked to stop before its steps were done."""

    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"
