"""What a run comes to, for the step that has started it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from floworch.core.dag.plan import StepPlan
from floworch.core.machine.block_output import output_of, output_refs
from floworch.core.machine.state import RunState
from floworch.core.model.payload import Json, Payload, PayloadRef
from floworch.core.model.status import RunStatus, StepStatus

__all__ = ["failure_of", "run_output", "run_output_refs"]


def run_output_refs(state: RunState, payloads: Mapping[PayloadRef, Payload | None]) -> Iterator[PayloadRef]:
    """Every payload that :func:`run_output` reads, as far as that is known."""
    for plan in _succeeded(state):
        yield from output_refs(plan, plan.key, payloads)


def run_output(state: RunState, payloads: Mapping[PayloadRef, Payload | None]) -> Json:
    """The output of a run: that of its only result, or an object of step key → output where it has several.

    Results are the last steps of what runs when nothing goes wrong; null for one that did not succeed.
    """
    outputs = dict.fromkeys(plan.key for plan in state.plan.root.results)
    outputs |= {plan.key: output_of(plan, plan.key, payloads) for plan in _succeeded(state)}
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs or None


def failure_of(state: RunState) -> str | None:
    """Why a run did not succeed, in one line."""
    if state.status in (RunStatus.CANCELLED, RunStatus.TIMED_OUT):
        return state.stop.reason if state.stop else None
    own = [(key, step) for key in state.plan.root.steps if (step := state.step(key)) is not None]
    failed = [(key, step) for key, step in own if step.status is StepStatus.FAILED]
    if state.status is not RunStatus.FAILED or not failed:
        return None
    key, first = min(failed, key=lambda found: found[1].ended_at or state.facts.started_at)
    return f"step {key!r} failed: {first.reason}"


def _succeeded(state: RunState) -> Iterator[StepPlan]:
    for plan in state.plan.root.results:
        step = state.step(plan.key)
        if step is not None and step.status is StepStatus.SUCCEEDED:
            yield plan
