"""Step handlers: how they are declared, found, given their inputs, called, and what their results mean."""

from __future__ import annotations

from floworch.core.handlers.cancellation import CancelSignal
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.invocation import Boundary, Caller, Invocation
from floworch.core.handlers.lookup import Handler, Handlers
from floworch.core.handlers.processes import HandlerProcesses
from floworch.core.handlers.registry import HandlerRegistry
from floworch.core.handlers.results import Deferred, Failed, Skipped, StepOutcome, StepResult, Succeeded
from floworch.core.handlers.services import ServiceResolver, Services
from floworch.core.handlers.spec import ExecutorKind, HandlerSpec, polling_handler, step_handler
from floworch.core.handlers.threads import HandlerThreads

__all__ = [
    "Boundary",
    "Caller",
    "CancelSignal",
    "Deferred",
    "ExecutorKind",
    "Failed",
    "Handler",
    "HandlerProcesses",
    "HandlerRegistry",
    "HandlerSpec",
    "HandlerThreads",
    "Handlers",
    "Invocation",
    "ServiceResolver",
    "Services",
    "Skipped",
    "StepContext",
    "StepOutcome",
    "StepResult",
    "Succeeded",
    "polling_handler",
    "step_handler",
]
