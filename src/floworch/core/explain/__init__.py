"""Why a run, a step or a schedule is where it is: told from its state and the world around it. Pure."""

from __future__ import annotations

from floworch.core.explain.limits import UsedUp
from floworch.core.explain.reasons import Explanation, Reason, ReasonCode
from floworch.core.explain.runs import explain_run
from floworch.core.explain.schedules import ScheduleFacts, explain_schedule
from floworch.core.explain.situation import Situation
from floworch.core.explain.steps import explain_step, has_step

__all__ = [
    "Explanation",
    "Reason",
    "ReasonCode",
    "ScheduleFacts",
    "Situation",
    "UsedUp",
    "explain_run",
    "explain_schedule",
    "explain_step",
    "has_step",
]
