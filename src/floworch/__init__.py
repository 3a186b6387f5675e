"""Durable workflows inside your own Python application, with pluggable storage and runtimes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from floworch import expr
from floworch.core.handlers.context import StepContext
from floworch.core.handlers.results import StepResult
from floworch.core.handlers.spec import polling_handler, step_handler
from floworch.core.model.diff import Change, ChangeKind, ManifestDiff, Verdict
from floworch.core.model.flow import FlowDefinition
from floworch.core.model.manifest import (
    AtTrigger,
    Compensation,
    CronTrigger,
    FlowManifest,
    ForEach,
    IntervalTrigger,
    Limit,
    ManualTrigger,
    Rate,
    RunAfter,
    Scope,
    Step,
    StepDefaults,
    Until,
    WebhookTrigger,
)
from floworch.core.model.notices import FailureNotice, Notifier, Throttle
from floworch.core.model.records import HistoryEvent, RunRecord, StepError, StepRecord
from floworch.core.model.signals import SignalRecord, SignalResult, SignalStatus
from floworch.core.model.status import RunStatus, StepStatus
from floworch.core.policy.retry import RetryPolicy
from floworch.errors import (
    ConfigurationError,
    ExpressionError,
    FlowNotFound,
    FloworchError,
    FlowValidationError,
    InvalidPayload,
    InvalidTags,
    InvalidTransition,
    MigrationRefused,
    NonRetryable,
    RetryLater,
    RunNotFound,
    SignalNotExpected,
    SignalRefused,
    StepNotFound,
    StorageUnavailable,
    WaitTimeout,
)

if TYPE_CHECKING:
    from floworch.core.engine.reruns import KEEP
    from floworch.core.engine.retries import RetriedSteps
    from floworch.core.explain.health import Health, HealthCode, HealthStatus
    from floworch.core.explain.reasons import Explanation, Reason, ReasonCode
    from floworch.handle import RunHandle
    from floworch.notifiers import WebhookNotifier
    from floworch.orchestrator import FlowOrchestrator
    from floworch.results import RunResult

__version__ = "0.1.0"

__all__ = [
    "KEEP",
    "AtTrigger",
    "Change",
    "ChangeKind",
    "Compensation",
    "ConfigurationError",
    "CronTrigger",
    "Explanation",
    "ExpressionError",
    "FailureNotice",
    "FlowDefinition",
    "FlowManifest",
    "FlowNotFound",
    "FlowOrchestrator",
    "FlowValidationError",
    "FloworchError",
    "ForEach",
    "Health",
    "HealthCode",
    "HealthStatus",
    "HistoryEvent",
    "IntervalTrigger",
    "InvalidPayload",
    "InvalidTags",
    "InvalidTransition",
    "Limit",
    "ManifestDiff",
    "ManualTrigger",
    "MigrationRefused",
    "NonRetryable",
    "Notifier",
    "Rate",
    "Reason",
    "ReasonCode",
    "RetriedSteps",
    "RetryLater",
    "RetryPolicy",
    "RunAfter",
    "RunHandle",
    "RunNotFound",
    "RunRecord",
    "RunResult",
    "RunStatus",
    "Scope",
    "SignalNotExpected",
    "SignalRecord",
    "SignalRefused",
    "SignalResult",
    "SignalStatus",
    "Step",
    "StepContext",
    "StepDefaults",
    "StepError",
    "StepNotFound",
    "StepRecord",
    "StepResult",
    "StepStatus",
    "StorageUnavailable",
    "Throttle",
    "Until",
    "Verdict",
    "WaitTimeout",
    "WebhookNotifier",
    "WebhookTrigger",
    "expr",
    "polling_handler",
    "step_handler",
]

if not TYPE_CHECKING:
    # The engine is half of the package, and a module that only defines flows does not need it: it is loaded with the
    # first of these names. Type checkers do not see this, or they would take any name for one of ours.
    _LOADED_WHEN_USED = {
        "KEEP": "floworch.core.engine.reruns",
        "Explanation": "floworch.core.explain.reasons",
        "FlowOrchestrator": "floworch.orchestrator",
        "Health": "floworch.core.explain.health",
        "HealthCode": "floworch.core.explain.health",
        "HealthStatus": "floworch.core.explain.health",
        "Reason": "floworch.core.explain.reasons",
        "ReasonCode": "floworch.core.explain.reasons",
        "RetriedSteps": "floworch.core.engine.retries",
        "RunHandle": "floworch.handle",
        "RunResult": "floworch.results",
        "WebhookNotifier": "floworch.notifiers",
    }

    def __getattr__(name: str) -> object:
        if name not in _LOADED_WHEN_USED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_LOADED_WHEN_USED[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LOADED_WHEN_USED})
