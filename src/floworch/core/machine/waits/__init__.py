"""Steps that wait without a worker. One module per kind of thing that they wait for."""

from __future__ import annotations

from floworch.core.dag.plan import StepPlan
from floworch.core.dag.waits import WaitPlan
from floworch.core.machine.draft import Draft
from floworch.core.machine.state import StepState, WaitKind
from floworch.core.machine.waits.signals import start_signal_wait, time_out
from floworch.core.model.payload import Json

__all__ = ["start_wait", "wake_wait"]


def start_wait(draft: Draft, key: str, plan: StepPlan, wait: WaitPlan, trace: Json = None) -> list[str]:
    """Begin to wait, as the next attempt of the step; returns its key if there is nothing to wait for."""
    return start_signal_wait(draft, key, plan, wait, trace)


def wake_wait(draft: Draft, key: str, plan: StepPlan, wait: WaitPlan, state: StepState) -> list[str]:
    """The time has come that the step was parked until: that of its next attempt, or its time limit. Returns the keys
    of the steps that are final now."""
    if state.wait is WaitKind.RETRY:
        return start_wait(draft, key, plan, wait)
    return time_out(draft, key, plan, state)
