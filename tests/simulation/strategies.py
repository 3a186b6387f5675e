"""Hypothesis strategies for random flows and what their handlers do.

Guards and loop sources read only what is certainly final when they are looked at: a step that is skipped because one
of its dependencies did not suit ends before its other dependencies do, so what lies behind an edge that accepts
``Skipped`` may still be running.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from hypothesis import strategies as st

from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus
from floworch.core.model.steps import OnItemFailure
from tests.simulation.specs import (
    ANY,
    DONE,
    TROUBLE,
    AllOf,
    AnyOf,
    Compare,
    Constant,
    FlowSpec,
    Guard,
    LoopSpec,
    Negation,
    Outcome,
    Read,
    ScopeSpec,
    Script,
    SignalSpec,
    Source,
    StepSpec,
    UntilSpec,
)

__all__ = ["Story", "choices", "stories"]


@dataclass(frozen=True, slots=True)
class Story:
    """A flow and what its handlers do."""

    flow: FlowSpec
    script: Script


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the steps of a scope may read of the scopes around them."""

    depth: int = 0
    outer: Mapping[str, bool] = field(default_factory=dict)
    """Step keys that are certainly final → whether they are loops."""
    loops: tuple[str, ...] = ()
    """Loops around, which have an index, innermost last."""
    item_loops: tuple[str, ...] = ()
    """Those of them that have items."""
    blocks: int = 0
    """Blocks around, of any kind."""
    is_undone: bool = False
    """Whether the steps are those of a scope, which undoes them when it fails."""
    has_waits: bool = False
    """Whether steps may wait for signals."""
    scopes_one_in: int = 5
    """How many steps there are to one scope."""


_KEYS = "abcdefghijkl"
_BODY_KEYS = ("pqrs", "abxy")
"""Keys of loop bodies; the second alphabet hides steps of the scopes around."""
_SCALARS: st.SearchStrategy[Json] = st.sampled_from([None, True, False, 0, 1, 2, "a", "b"])
_ITEM: st.SearchStrategy[Json] = st.one_of(
    _SCALARS, st.fixed_dictionaries({"n": _SCALARS, "items": st.lists(_SCALARS, max_size=2)})
)
_ITEMS: st.SearchStrategy[Json] = st.integers(0, 4).flatmap(lambda size: st.lists(_ITEM, min_size=size, max_size=size))
_DATA: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"n": _SCALARS, "items": st.one_of(_ITEMS, _ITEMS, st.sampled_from([None, 3, "text"]))}
)
_OUTCOMES = st.one_of(
    st.builds(Outcome, st.just("succeed"), st.one_of(_DATA, _SCALARS)),
    st.builds(Outcome, st.sampled_from(["succeed", "fail", "fail", "skip", "defer"])),
)
_SCRIPTS = st.lists(_OUTCOMES, max_size=3).filter(lambda played: not played or any(o.kind != "defer" for o in played))
_STATUSES: st.SearchStrategy[frozenset[StepStatus]] = st.one_of(
    st.just(DONE),
    st.just(DONE),
    st.just(ANY),
    st.just(TROUBLE),
    st.frozensets(st.sampled_from(sorted(ANY)), min_size=1),
)


_NAMES: st.SearchStrategy[tuple[str, ...]] = st.lists(st.sampled_from("stu"), min_size=1, max_size=3, unique=True).map(
    tuple
)
_LIMITS = st.sampled_from([None, None, 5.0])
_SIGNALS = st.one_of(
    st.builds(
        SignalSpec, _NAMES.map(lambda names: names[:1]), st.just("one"), st.integers(1, 2), _LIMITS, st.booleans()
    ),
    st.builds(SignalSpec, _NAMES, st.sampled_from(["any", "all"]), st.integers(1, 2), _LIMITS, st.booleans()),
)


@st.composite
def stories(draw: st.DrawFn, max_steps: int = 12, *, scopes_one_in: int = 5, has_waits: bool = False) -> Story:
    """Random flows of up to ``max_steps`` top-level steps with scopes and with loops that nest twice, and random
    outcomes."""
    outcomes: dict[str, tuple[Outcome, ...]] = {}
    size = draw(st.integers(1, max_steps))
    steps = _draw_scope(
        draw, _KEYS[:size], _Sight(scopes_one_in=scopes_one_in, has_waits=has_waits), "", outcomes, loops=2
    )
    return Story(FlowSpec(steps, draw(_DATA)), Script(outcomes))


def choices(at_most: int = 150) -> st.SearchStrategy[bytes]:
    """What happens in which order: one byte per choice. Long ones are as likely as short ones."""
    return st.integers(0, at_most).flatmap(lambda size: st.binary(min_size=size, max_size=size))


def _draw_scope(
    draw: st.DrawFn, keys: str, sight: _Sight, path: str, outcomes: dict[str, tuple[Outcome, ...]], loops: int
) -> tuple[StepSpec, ...]:
    steps: list[StepSpec] = []
    certain: dict[str, frozenset[str]] = {}
    outer = {key: is_loop for key, is_loop in sight.outer.items() if key not in keys}
    for key in keys:
        run_after = _draw_edges(draw, keys[: len(steps)])
        certain[key] = _certainly_final(run_after, certain)
        is_loop = {spec.key: spec.loop is not None for spec in steps}
        readable = outer | {name: is_loop[name] for name in sorted(certain[key])}
        here = replace(sight, outer=readable)
        loop = until = scope = undo = None
        if loops and draw(st.integers(0, 2)) == 2:
            loops -= 1
            if draw(st.booleans()):
                loop = _draw_loop(draw, here, key, f"{path}{key}.", outcomes)
            else:
                until = _draw_until(draw, here, key, f"{path}{key}.", outcomes)
        elif sight.blocks < 3 and draw(st.integers(1, sight.scopes_one_in + 4 * sight.blocks)) == 1:
            scope = _draw_branches(draw, here, f"{path}{key}.", outcomes, loops)
            loops = 0
        elif played := draw(_SCRIPTS):
            outcomes[path + key] = tuple(played)
        if sight.is_undone and not (loop or until or scope):
            undo = _draw_undo(draw, f"{path}undo-{key}", outcomes)
        polls = not (loop or until or scope) and draw(st.integers(0, 3)) == 3
        if polls:  # each answer forgives the failures before it: without an end by itself it might go on for ever
            outcomes[path + key] = (*outcomes.get(path + key, ()), Outcome("defer"), Outcome("succeed"))
        guards = _draw_guards(draw, here, 1 + len(run_after))
        attempts = draw(st.integers(1, 3)) if path + key in outcomes else 1
        by_child = not (loop or until or scope or polls) and draw(st.integers(0, 3)) == 3
        waits = here.has_waits and not (loop or until or scope or polls or by_child) and draw(st.booleans())
        signal = draw(_SIGNALS) if waits else None
        steps.append(
            StepSpec(
                key,
                run_after,
                guards,
                attempts,
                loop,
                signal=signal,
                until=until,
                polls=polls,
                by_child=by_child,
                scope=scope,
                undo=undo,
            )
        )
    return tuple(reversed(steps)) if draw(st.booleans()) else tuple(steps)


def _draw_edges(draw: st.DrawFn, before: str) -> tuple[tuple[str, frozenset[StepStatus]], ...]:
    if not before:
        return ()
    names = draw(st.lists(st.sampled_from(before), max_size=3, unique=True))
    return tuple((name, draw(_STATUSES)) for name in names)


def _certainly_final(
    run_after: Sequence[tuple[str, frozenset[StepStatus]]], certain: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Steps that are final whenever a step with these edges starts."""
    found: set[str] = set()
    for name, accepted in run_after:
        found.add(name)
        if StepStatus.SKIPPED not in accepted:
            found |= certain[name]
    return frozenset(found)


def _draw_loop(
    draw: st.DrawFn, sight: _Sight, key: str, path: str, outcomes: dict[str, tuple[Outcome, ...]]
) -> LoopSpec:
    keys = draw(st.sampled_from(_BODY_KEYS))[: draw(st.integers(1, 4 - sight.depth))]
    inside = replace(
        sight,
        depth=sight.depth + 1,
        loops=(*sight.loops, key),
        item_loops=(*sight.item_loops, key),
        blocks=sight.blocks + 1,
        is_undone=False,
    )
    source = draw(_sources(sight))
    body = _draw_scope(draw, keys, inside, path, outcomes, loops=1 if sight.depth == 0 else 0)
    return LoopSpec(source, body, draw(st.integers(1, 3)), draw(st.sampled_from(get_args(OnItemFailure))))


def _draw_until(
    draw: st.DrawFn, sight: _Sight, key: str, path: str, outcomes: dict[str, tuple[Outcome, ...]]
) -> UntilSpec:
    keys = draw(st.sampled_from(_BODY_KEYS))[: draw(st.integers(1, 3 - sight.depth))]
    inside = replace(sight, depth=sight.depth + 1, loops=(*sight.loops, key), blocks=sight.blocks + 1, is_undone=False)
    body = _draw_scope(draw, keys, inside, path, outcomes, loops=1 if sight.depth == 0 else 0)
    seen = replace(inside, outer={spec.key: spec.loop is not None for spec in body})
    return UntilSpec(draw(_guards(seen)), body, draw(st.integers(1, 3)), draw(st.sampled_from([0, 0, 7])))


def _draw_branches(
    draw: st.DrawFn, sight: _Sight, path: str, outcomes: dict[str, tuple[Outcome, ...]], loops: int
) -> ScopeSpec:
    inside = replace(sight, blocks=sight.blocks + 1, is_undone=True)
    steps = _draw_scope(draw, "efgh"[: draw(st.integers(1, 4))], inside, path, outcomes, loops)
    seen = {**sight.outer, **{spec.key: spec.loop is not None for spec in steps}}
    after = replace(inside, outer=seen, is_undone=False)
    catch = _draw_scope(draw, "mn"[: draw(st.integers(0, 2))], after, path, outcomes, 0)
    last = _draw_scope(draw, "yz"[: draw(st.integers(0, 2))], after, path, outcomes, 0)
    return ScopeSpec(steps, catch, last)


def _draw_undo(draw: st.DrawFn, path: str, outcomes: dict[str, tuple[Outcome, ...]]) -> int | None:
    """Attempts of the compensation of a step; None for none."""
    if draw(st.integers(0, 2)) == 0:
        return None
    if played := draw(_SCRIPTS):
        outcomes[path] = tuple(played)
    return draw(st.integers(1, 2))


def _sources(sight: _Sight) -> st.SearchStrategy[Source]:
    choices: list[st.SearchStrategy[Source]] = [
        _ITEMS.map(tuple),
        st.sampled_from([Read("body", trail=("items",)), Read("body", trail=("missing",)), Read("body", trail=("n",))]),
    ]
    for key, is_loop in sorted(sight.outer.items()):
        choices.append(st.just(Read("output", key, () if is_loop else ("items",))))
    if sight.item_loops:
        choices.append(st.sampled_from([Read("item", trail=("items",)), Read("item")]))
    return st.one_of(choices)


def _draw_guards(draw: st.DrawFn, sight: _Sight, at_most: int) -> tuple[Guard, ...]:
    count = max(0, draw(st.integers(-3, at_most)))
    guards = _guards(sight)
    return tuple(draw(guards) for _ in range(count))


def _guards(sight: _Sight) -> st.SearchStrategy[Guard]:
    safe = _safe_guards(sight)
    single = st.one_of(safe, safe, safe, _risky_guards(sight))
    return st.one_of(
        single,
        st.builds(Negation, single),
        st.builds(AllOf, single, single),
        st.builds(AnyOf, single, single),
    )


def _safe_guards(sight: _Sight) -> st.SearchStrategy[Guard]:
    """Guards that never are errors."""
    equality = st.sampled_from(["==", "!="])
    choices: list[st.SearchStrategy[Guard]] = [
        st.sampled_from([Constant(True), Constant(True), Constant(False)]),
        st.builds(Compare, _bare_reads(sight), equality, st.none()),
    ]
    if sight.outer:
        keys = st.sampled_from(sorted(sight.outer))
        choices += [
            st.builds(Compare, _reads("status", keys), equality, st.sampled_from(sorted(str(s) for s in ANY))),
            st.builds(Compare, _reads("error_type", keys), equality, st.sampled_from([None, "Boom", "Exception"])),
        ]
    if sight.loops:
        choices.append(
            st.builds(Compare, _around("index", sight.loops), st.sampled_from(["==", "<", ">="]), st.integers(0, 2))
        )
    return st.one_of(choices)


def _risky_guards(sight: _Sight) -> st.SearchStrategy[Guard]:
    """Guards that are errors for values of some types."""
    reads = _bare_reads(sight)
    operators = st.sampled_from(["==", "!=", "<", ">="])
    return st.one_of(reads, st.builds(Compare, reads, operators, st.sampled_from([None, 1, "a", True])))


def _bare_reads(sight: _Sight) -> st.SearchStrategy[Read]:
    choices = [st.just(Read("body", trail=("n",)))]
    for key, is_loop in sorted(sight.outer.items()):
        choices.append(st.just(Read("output", key, (0, "n") if is_loop else ("n",))))
    if sight.item_loops:
        choices += [_around("item", sight.item_loops), st.just(Read("item", trail=("n",)))]
    return st.one_of(choices)


def _reads(what: Literal["status", "error_type"], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Read]:
    return st.builds(Read, st.just(what), keys)


def _around(what: Literal["item", "index"], loops: tuple[str, ...]) -> st.SearchStrategy[Read]:
    return st.builds(Read, st.just(what), st.sampled_from([None, *loops]))
