"""The output of a loop: nowhere stored, put together from the outputs of the steps of its iterations.

It is a list with one entry per item. Where the body has a single leaf, the entry is the output of that leaf; otherwise
it is an object of leaf key → output. A leaf that did not succeed contributes null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from floworch.core.dag.keys import child_key, iteration_scope
from floworch.core.dag.plan import LoopPlan, StepPlan
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef

__all__ = ["loop_output", "loop_output_refs"]


def loop_output_refs(
    loop: LoopPlan, loop_key: str, payloads: Mapping[PayloadRef, Payload | None]
) -> Iterator[PayloadRef]:
    """Every payload that :func:`loop_output` reads, as far as that is known.

    The items of a loop say how many iterations it has, so what lies inside is only named once the items are at hand.
    """
    items = PayloadRef(PayloadKind.ITEMS, loop_key)
    yield items
    for index in range(_count(payloads.get(items))):
        scope = iteration_scope(loop_key, index)
        for leaf in loop.body.leaves:
            key = child_key(scope, leaf.key)
            if leaf.loop is None:
                yield PayloadRef(PayloadKind.OUTPUT, key)
            else:
                yield from loop_output_refs(leaf.loop, key, payloads)


def loop_output(loop: LoopPlan, loop_key: str, payloads: Mapping[PayloadRef, Payload | None]) -> list[Json]:
    """The list; ``payloads`` holds everything that :func:`loop_output_refs` names."""
    count = _count(payloads.get(PayloadRef(PayloadKind.ITEMS, loop_key)))
    return [_iteration_output(loop, iteration_scope(loop_key, index), payloads) for index in range(count)]


def _iteration_output(loop: LoopPlan, scope: str, payloads: Mapping[PayloadRef, Payload | None]) -> Json:
    leaves = loop.body.leaves
    if len(leaves) == 1:
        return _leaf_output(leaves[0], scope, payloads)
    return {leaf.key: _leaf_output(leaf, scope, payloads) for leaf in leaves}


def _leaf_output(leaf: StepPlan, scope: str, payloads: Mapping[PayloadRef, Payload | None]) -> Json:
    key = child_key(scope, leaf.key)
    if leaf.loop is not None:
        began = payloads.get(PayloadRef(PayloadKind.ITEMS, key)) is not None
        return loop_output(leaf.loop, key, payloads) if began else None
    payload = payloads.get(PayloadRef(PayloadKind.OUTPUT, key))
    return None if payload is None else payload.value


def _count(items: Payload | None) -> int:
    return 0 if items is None else len(items.value)
