"""The output of a loop: nowhere stored, put together from the outputs of the steps of its iterations.

It is a list with one entry per item. The results of a body are its leaves, error handlers taken away
(``ScopePlan.results``). Where there is a single one, the entry is its output; otherwise it is an object of step key →
output. A result that did not succeed contributes null, and so does an iteration none of whose results has an output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from floworch.core.dag.keys import child_key, iteration_scope
from floworch.core.dag.plan import LoopPlan, StepPlan
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef

__all__ = ["loop_output", "loop_output_refs"]

_Payloads: TypeAlias = Mapping[PayloadRef, Payload | None]
_Output: TypeAlias = tuple[Json] | None
"""An output, which may be null, or None where there is none."""


def loop_output_refs(loop: LoopPlan, loop_key: str, payloads: _Payloads) -> Iterator[PayloadRef]:
    """Every payload that :func:`loop_output` reads, as far as that is known.

    The items of a loop say how many iterations it has, so what lies inside is only named once the items are at hand.
    """
    items = PayloadRef(PayloadKind.ITEMS, loop_key)
    yield items
    for index in range(_count(payloads.get(items))):
        scope = iteration_scope(loop_key, index)
        for leaf in loop.body.results:
            key = child_key(scope, leaf.key)
            if leaf.loop is None:
                yield PayloadRef(PayloadKind.OUTPUT, key)
            else:
                yield from loop_output_refs(leaf.loop, key, payloads)


def loop_output(loop: LoopPlan, loop_key: str, payloads: _Payloads) -> list[Json]:
    """The list; ``payloads`` holds everything that :func:`loop_output_refs` names."""
    return [_value(output) for output in _iterations(loop, loop_key, payloads)]


def _iterations(loop: LoopPlan, loop_key: str, payloads: _Payloads) -> list[_Output]:
    count = _count(payloads.get(PayloadRef(PayloadKind.ITEMS, loop_key)))
    return [_iteration_output(loop, iteration_scope(loop_key, index), payloads) for index in range(count)]


def _iteration_output(loop: LoopPlan, scope: str, payloads: _Payloads) -> _Output:
    outputs = {leaf.key: _leaf_output(leaf, child_key(scope, leaf.key), payloads) for leaf in loop.body.results}
    if all(output is None for output in outputs.values()):
        return None
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    return ({key: _value(output) for key, output in outputs.items()},)


def _leaf_output(leaf: StepPlan, key: str, payloads: _Payloads) -> _Output:
    kind = PayloadKind.OUTPUT if leaf.loop is None else PayloadKind.ITEMS
    payload = payloads.get(PayloadRef(kind, key))
    if payload is None:
        return None
    return (payload.value,) if leaf.loop is None else _inner_loop_output(_iterations(leaf.loop, key, payloads))


def _inner_loop_output(iterations: list[_Output]) -> _Output:
    if iterations and all(output is None for output in iterations):
        return None
    return ([_value(output) for output in iterations],)


def _value(output: _Output) -> Json:
    return None if output is None else output[0]


def _count(items: Payload | None) -> int:
    return 0 if items is None else len(items.value)
