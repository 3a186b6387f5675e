"""From a manifest to the plan that the planner reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from floworch.core.dag.keys import COMPENSATE
from floworch.core.dag.lookup import all_steps
from floworch.core.dag.plan import BlockPlan, FlowPlan, GroupPlan, LoopPlan, ScopePlan, StepPlan, UntilPlan
from floworch.core.dag.reachability import execution_order
from floworch.core.dag.waits import SignalPlan, compile_wait
from floworch.core.dag.waits.poll import PollPlan, compile_poll, split_poll_inputs
from floworch.core.expressions import Condition, Template, compile_condition, compile_template
from floworch.core.model.child_types import child_reference, child_type, is_run_flow
from floworch.core.model.manifest import (
    AnyStep,
    Block,
    Compensation,
    FlowManifest,
    ForEach,
    RetrySettings,
    Scope,
    Step,
    StepBase,
    StepDefaults,
    Until,
)
from floworch.core.model.status import StepStatus
from floworch.core.policy.retry import RetryPolicy

__all__ = ["compile_manifest"]

Polling: TypeAlias = Collection[str]


@dataclass(frozen=True, slots=True)
class _Flow:
    """What is known of all steps of the flow."""

    polling: Polling
    default_retry: RetryPolicy | None
    default_timeout_seconds: float | None


def compile_manifest(
    flow_id: UUID, flow_name: str, version: str, manifest: FlowManifest, polling: Polling = frozenset()
) -> FlowPlan:
    """Compile all expressions and edges of a manifest that was validated when its flow was registered.

    Of a step's settings only its own and the flow's are in the plan, not its handler's. ``polling`` are the casefolded
    step types whose handlers poll.
    Raises :class:`~floworch.errors.ExpressionError` and ``KeyError`` for a manifest that was not validated.
    """
    defaults = manifest.defaults or StepDefaults()
    root = _scope(manifest.steps, "", _Flow(polling, _policy(defaults.retry), defaults.timeout))
    return FlowPlan(
        flow_id=flow_id,
        flow_name=flow_name,
        version=version,
        manifest_hash=manifest.content_hash,
        root=root,
        timeout_seconds=manifest.timeout_seconds,
        signal_waits=tuple(step for step in all_steps(root) if isinstance(step.wait, SignalPlan)),
        tags={name: compile_template(value, f"tags.{name}") for name, value in (manifest.tags or {}).items()},
        concurrency_key=compile_template(manifest.concurrency_key, "concurrencyKey")
        if manifest.concurrency_key
        else None,
    )


def _scope(steps: Mapping[str, AnyStep], path: str, flow: _Flow) -> ScopePlan:
    dependents = _dependents(steps)
    return _scope_of({key: _step(key, step, path, tuple(dependents[key]), flow) for key, step in steps.items()})


def _scope_of(plans: Mapping[str, StepPlan]) -> ScopePlan:
    return ScopePlan(
        steps=plans,
        entries=tuple(plan for plan in plans.values() if not plan.run_after),
        leaves=tuple(plan for plan in plans.values() if not plan.dependents),
        results=_results(plans),
    )


def _results(plans: Mapping[str, StepPlan]) -> tuple[StepPlan, ...]:
    usual = {key for key, step in plans.items() if not _is_on_error_path(step, plans)}
    return tuple(plans[key] for key in plans if key in usual and usual.isdisjoint(plans[key].dependents))


def _is_on_error_path(step: StepPlan, plans: Mapping[str, StepPlan]) -> bool:
    """Whether the step can only run once something has failed or was skipped."""
    return any(
        StepStatus.SUCCEEDED not in accepted
        or (StepStatus.SKIPPED not in accepted and _is_on_error_path(plans[before], plans))
        for before, accepted in step.run_after.items()
    )


def _dependents(steps: Mapping[str, AnyStep]) -> dict[str, list[str]]:
    dependents: dict[str, list[str]] = {key: [] for key in steps}
    for key, step in steps.items():
        for before in step.run_after:
            dependents[before].append(key)
    return dependents


def _step(key: str, step: AnyStep, scope_path: str, dependents: tuple[str, ...], flow: _Flow) -> StepPlan:
    path = f"{scope_path}.{key}" if scope_path else key
    plain = step if isinstance(step, Step) else None
    inputs, poll = _inputs(plain, flow)
    return StepPlan(
        key=key,
        path=path,
        type=_row_type(plain) if plain else step.type,
        run_after={before: demand.accepted for before, demand in step.run_after.items()},
        conditions=_conditions(step),
        dependents=dependents,
        inputs=inputs,
        retry=_policy(plain.retry) if plain else None,
        timeout_seconds=plain.timeout if plain else None,
        default_retry=flow.default_retry,
        default_timeout_seconds=flow.default_timeout_seconds,
        lease_seconds=plain.lease_seconds if plain else None,
        block=_block(step, path, flow) if isinstance(step, Block) else None,
        wait=compile_wait(plain.type, plain.inputs) if plain else None,
        poll=poll,
    )


def _row_type(step: Step | Compensation) -> str:
    return child_type(str(child_reference(step.inputs))) if is_run_flow(step.type) else step.type


def _inputs(step: Step | Compensation | None, flow: _Flow) -> tuple[Template, PollPlan | None]:
    """What the handler gets, and how what it gives back is judged."""
    if step is None or step.type.casefold() not in flow.polling:
        return compile_template(step.inputs if step else {}), None
    settings, inputs = split_poll_inputs(step.inputs)
    return compile_template(inputs), compile_poll(settings)


def _conditions(step: StepBase) -> tuple[Condition, ...]:
    sources = [step.when, *(demand.when for demand in step.run_after.values())]
    return tuple(compile_condition(source) for source in sources if source)


def _block(step: Block, path: str, flow: _Flow) -> BlockPlan:
    match step:
        case ForEach():
            source = compile_template(step.for_each)
            return LoopPlan(source, step.concurrency_limit, _scope(step.steps, path, flow), step.on_item_failure)
        case Until():
            condition = compile_condition(step.until)
            return UntilPlan(condition, step.max_iterations, step.delay, _scope(step.steps, path, flow))
        case Scope():
            return _group(step, path, flow)
        case _:
            raise TypeError(f"no block: {step!r}")


def _group(step: Scope, path: str, flow: _Flow) -> GroupPlan:
    branches = {name: _scope(steps, path, flow) for name, steps in step.branches().items()}
    undoing = {
        key: _compensation(key, inner.compensate, path, flow)
        for key, inner in step.steps.items()
        if isinstance(inner, Step) and inner.compensate is not None
    }
    if undoing:
        branches[COMPENSATE] = _scope_of(undoing)
    order, _ = execution_order({key: inner.run_after.keys() for key, inner in step.steps.items()})
    return GroupPlan(branches, tuple(order))


def _compensation(key: str, undoing: Compensation, path: str, flow: _Flow) -> StepPlan:
    inputs, poll = _inputs(undoing, flow)
    return StepPlan(
        key=key,
        path=f"{path}.{key}",
        type=_row_type(undoing),
        run_after={},
        conditions=(),
        dependents=(),
        inputs=inputs,
        retry=_policy(undoing.retry),
        timeout_seconds=undoing.timeout,
        default_retry=flow.default_retry,
        default_timeout_seconds=flow.default_timeout_seconds,
        lease_seconds=undoing.lease_seconds,
        wait=compile_wait(undoing.type, undoing.inputs),
        poll=poll,
    )


def _policy(settings: RetrySettings | None) -> RetryPolicy | None:
    return RetryPolicy(**settings.policy_fields()) if settings else None
