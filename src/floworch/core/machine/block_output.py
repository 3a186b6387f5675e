"""The output of a block: nowhere stored, put together from the outputs of the steps inside it when somebody reads it.

* That of a loop over items is a list with one entry per item; null for an iteration that has failed.
* That of an ``Until`` is the entry of its last iteration.
* That of a ``Scope`` is the entry of its steps or, when they have failed, of its ``catch``.

The results of a body are its leaves, error handlers taken away (``ScopePlan.results``). Where there is a single one,
the entry is its output; otherwise it is an object of step key → output. A result that did not succeed contributes null,
and so does an iteration none of whose results has an output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from floworch.core.dag.keys import CATCH, STEPS, branch_scope, child_key, iteration_scope
from floworch.core.dag.outcome import has_unhandled_failure
from floworch.core.dag.plan import BlockPlan, GroupPlan, LoopPlan, ScopePlan, StepPlan, UntilPlan
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.status import StepStatus

__all__ = ["has_own_output", "output_of", "output_refs", "state_payload"]

_Payloads: TypeAlias = Mapping[PayloadRef, Payload | None]
_Output: TypeAlias = tuple[Json] | None
"""An output, which may be null, or None where there is none."""


def state_payload(status: StepStatus, progress: Mapping[str, Json] | None) -> Payload:
    """What the outputs around a step need to know of its row; ``progress`` as JSON."""
    return Payload.of({"status": str(status), "progress": progress})


def has_own_output(plan: StepPlan) -> bool:
    """Whether the output is in the row of the step itself."""
    return plan.block is None


def output_refs(plan: StepPlan, key: str, payloads: _Payloads) -> Iterator[PayloadRef]:
    """Every payload that :func:`output_of` reads, as far as that is known.

    The progress of a block says which iterations there are, so what lies inside is only named once that is at hand.
    """
    if has_own_output(plan):
        yield PayloadRef(PayloadKind.OUTPUT, key)
        return
    yield PayloadRef(PayloadKind.STATE, key)
    for body, scope in _branches(plan, key, payloads):
        for result in body.results:
            yield from output_refs(result, child_key(scope, result.key), payloads)
        if _may_have_failed(plan.block):
            yield from (PayloadRef(PayloadKind.STATE, child_key(scope, step)) for step in body.steps)


def output_of(plan: StepPlan, key: str, payloads: _Payloads) -> Json:
    """The output of a step that has succeeded; ``payloads`` holds everything that :func:`output_refs` names."""
    if isinstance(plan.block, LoopPlan):
        return [_value(entry) for entry in _entries(plan, key, payloads)]
    return _value(_output(plan, key, payloads))


def _output(plan: StepPlan, key: str, payloads: _Payloads) -> _Output:
    if has_own_output(plan):
        payload = payloads.get(PayloadRef(PayloadKind.OUTPUT, key))
        return None if payload is None else (payload.value,)
    if _state(key, payloads).get("status") != StepStatus.SUCCEEDED:
        return None
    entries = _entries(plan, key, payloads)
    if not isinstance(plan.block, LoopPlan):
        return entries[0]
    return None if entries and not any(entries) else ([_value(entry) for entry in entries],)


def _entries(plan: StepPlan, key: str, payloads: _Payloads) -> list[_Output]:
    can_fail = _may_have_failed(plan.block)
    return [
        None if can_fail and _has_failed(body, scope, payloads) else _entry(body, scope, payloads)
        for body, scope in _branches(plan, key, payloads)
    ]


def _entry(body: ScopePlan, scope: str, payloads: _Payloads) -> _Output:
    outputs = {result.key: _output(result, child_key(scope, result.key), payloads) for result in body.results}
    if not any(outputs.values()):
        return None
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    return ({key: _value(output) for key, output in outputs.items()},)


def _branches(plan: StepPlan, key: str, payloads: _Payloads) -> Iterable[tuple[ScopePlan, str]]:
    """The scopes whose results make up the output."""
    progress = _state(key, payloads).get("progress")
    match plan.block:
        case LoopPlan(body=body) if progress:
            return ((body, iteration_scope(key, index)) for index in range(progress["total"]))
        case UntilPlan(body=body) if progress:
            return ((body, iteration_scope(key, progress["started"] - 1)),)
        case GroupPlan() as group if progress:
            branch = CATCH if progress["caught"] else STEPS
            return ((group.branch(branch), branch_scope(key, branch)),)
        case _:
            return ()


def _may_have_failed(block: BlockPlan | None) -> bool:
    """Whether some iterations of a block that has succeeded may have failed."""
    return isinstance(block, LoopPlan) and block.on_item_failure == "continue"


def _has_failed(body: ScopePlan, scope: str, payloads: _Payloads) -> bool:
    return has_unhandled_failure(body, lambda step: _state(child_key(scope, step), payloads).get("status"))


def _state(key: str, payloads: _Payloads) -> Mapping[str, Any]:
    payload = payloads.get(PayloadRef(PayloadKind.STATE, key))
    return {} if payload is None else payload.value


def _value(output: _Output) -> Json:
    return None if output is None else output[0]
