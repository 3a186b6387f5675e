"""The run state machine."""

from __future__ import annotations

from floworch.core.machine.apply import apply, claim_step, rebuild
from floworch.core.machine.environment import Payloads, PayloadsNeeded, RunEnvironment
from floworch.core.machine.history import fold
from floworch.core.machine.reduce import Fenced, reduce, start_run

__all__ = [
    "Fenced",
    "Payloads",
    "PayloadsNeeded",
    "RunEnvironment",
    "apply",
    "claim_step",
    "fold",
    "rebuild",
    "reduce",
    "start_run",
]
