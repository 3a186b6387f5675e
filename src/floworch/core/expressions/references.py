"""What an expression may refer to, and the environment that answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from floworch.core.model.payload import Json

__all__ = ["Environment", "Reference", "Source"]


class Source(StrEnum):
    """The functions that read something of the run."""

    TRIGGER_BODY = "triggerBody"
    TRIGGER_HEADERS = "triggerHeaders"
    TRIGGER = "trigger"
    STEP_OUTPUT = "steps.output"
    STEP_STATUS = "steps.status"
    STEP_ERROR = "steps.error"
    ITEM = "item"
    INDEX = "index"
    RUN = "run"
    FLOW = "flow"
    ENV = "env"
    RESULT = "result"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that an expression reads, known before it is evaluated.

    ``name`` is the step key of ``steps(...)``, the loop key of ``item('loop')`` and ``index('loop')``, the variable of
    ``env(...)``, and None for everything else.
    """

    source: Source
    name: str | None = None
    position: int = 0


class Environment(Protocol):
    """The run as expressions see it. Step and loop keys are the manifest's own; lookup goes from the
    innermost scope outwards."""

    @property
    def now(self) -> datetime: ...
    def trigger_body(self) -> Json: ...
    def trigger_headers(self) -> Mapping[str, str]: ...
    def trigger(self) -> Mapping[str, Json]: ...
    def run(self) -> Mapping[str, Json]: ...
    def flow(self) -> Mapping[str, Json]: ...
    def step_output(self, key: str) -> Json:
        """Output of the step's last attempt; None when there is none."""
        ...

    def step_status(self, key: str) -> str | None:
        """Status of the step; None while it waits for its dependencies."""
        ...

    def step_error(self, key: str) -> Mapping[str, Json] | None:
        """``{"type", "message", ...}`` of a failed step, else None."""
        ...

    def item(self, loop: str | None) -> Json:
        """Current item of the named loop around the step, or of the innermost."""
        ...

    def index(self, loop: str | None) -> int: ...
    def variable(self, name: str) -> str | None:
        """Environment variable of the worker; None when it is not set."""
        ...

    def result(self) -> Json:
        """What a polled handler has just returned."""
        ...

    def failure(self) -> Mapping[str, Json] | None:
        """``{"step", "type", "message"}`` of what has failed the scope around; None when nothing has."""
        ...
