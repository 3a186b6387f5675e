"""Random flows drawn from a seeded source of chance, so that a seed tells a history for ever.

The Hypothesis strategy of the machine's own tests draws the same kind of flows, but what it draws for a seed depends
on its version and on the modules that happen to be loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType
from uuid import UUID

from floworch.core.model.flow import FlowDefinition
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json, Payload
from floworch.core.model.status import StepStatus
from floworch.core.model.timed_triggers import IntervalTrigger
from tests.simulation.manifests import manifest_of
from tests.simulation.specs import (
    ANY,
    DONE,
    TROUBLE,
    ChildSpec,
    Compare,
    Constant,
    FlowSpec,
    Guard,
    LoopSpec,
    Outcome,
    Read,
    ScopeSpec,
    Script,
    SignalSpec,
    Source,
    StepSpec,
    UntilSpec,
)
from tests.simulation.strategies import Story

__all__ = ["SIGNALS", "flow_of", "random_story"]

SIGNALS = ("s", "t", "u")
"""Names of the signals that steps wait for."""

_KEYS = "abcdefghijklmnop"
_BODY_KEYS = ("pqr", "uvw")
_SCALARS: tuple[Json, ...] = (None, True, 0, 1, 2, "a")
_EDGES = (*[DONE] * 6, *[ANY] * 3, TROUBLE, DONE | TROUBLE, DONE | frozenset({StepStatus.SKIPPED}))


def random_story(chance: Random, children: Sequence[str] = (), *, is_short: bool = False) -> Story:
    """A flow of up to a dozen steps at the top and loops that nest twice, and what its handlers do.

    ``children`` are flows that its steps may start. A short one has a few steps, and loops that nest once.
    """
    pen = _Pen(chance, {}, children)
    size, loops = (chance.choice([1, 2, 3]), 1) if is_short else (chance.choice([1, 2, 3, 4, 5, 6, 8, 12]), 2)
    steps = _Scope(pen).draw(_KEYS[:size], loops)
    return Story(FlowSpec(steps, _data(chance)), Script(pen.outcomes))


def flow_of(
    story: Story, flow_id: UUID, chance: Random, schedules: Mapping[str, IntervalTrigger] = MappingProxyType({})
) -> FlowDefinition:
    """The story as a registered flow: retries as in the spec, and inputs that tell what a step sees of the others."""
    manifest = json.loads(manifest_of(story.flow).to_json())
    _complete(manifest["steps"], story.flow.steps, in_loop=False, chance=chance)
    manifest["triggers"] |= {key: Payload.of(each.model_dump()).value for key, each in schedules.items()}
    return FlowDefinition(
        id=flow_id, name=f"Random{flow_id.int}", version="1", manifest=FlowManifest.from_json(json.dumps(manifest))
    )


def _complete(steps: dict[str, Json], specs: Sequence[StepSpec], *, in_loop: bool, chance: Random) -> None:
    for spec in specs:
        written = steps[spec.key]
        if spec.loop is not None:
            _complete(written["steps"], spec.loop.body, in_loop=True, chance=chance)
            continue
        if spec.until is not None:
            _complete(written["steps"], spec.until.body, in_loop=in_loop, chance=chance)
            continue
        if spec.scope is not None:
            for name, inner in spec.scope.branches.items():
                branch = {one.key: written["steps"][one.key]["compensate"] for one in inner if name == "compensate"}
                _complete(branch or written[name], inner, in_loop=in_loop, chance=chance)
            continue
        if spec.max_attempts > 1:
            written["retry"] = {
                "maxAttempts": spec.max_attempts,
                "backoff": chance.choice(["fixed", "exponential"]),
                "initial": chance.choice([0.01, 1.0, 4.0]),
            }
        if spec.signal is not None or spec.child is not None:
            continue
        read = [name for name, _ in spec.run_after] if "runAfter" in written else [spec.key]
        seen = {name: [f"@steps('{name}').status", f"@steps('{name}').output"] for name in read}
        inputs = {"seen": seen} | ({"item": "@item()"} if in_loop else {})
        written["inputs"] = written.get("inputs", {}) | inputs


@dataclass(frozen=True, slots=True)
class _Pen:
    chance: Random
    outcomes: dict[str, tuple[Outcome, ...]]
    """What handlers do, as far as it is drawn."""
    children: Sequence[str]


class _Scope:
    """Draws the steps of the flow, or of the body of a loop."""

    def __init__(
        self,
        pen: _Pen,
        path: str = "",
        outer: Mapping[str, bool] | None = None,
        depth: int = 0,
        *,
        is_in_scope: bool = False,
        has_item: bool = False,
    ) -> None:
        self._pen = pen
        self._chance = chance = pen.chance
        self._outcomes = pen.outcomes
        self._path = path
        self._outer = outer or {}
        """Steps around that are certainly final → whether they are loops."""
        self._depth = depth
        self._is_in_scope = is_in_scope
        self._has_item = has_item
        self._shape = chance.choice(["chain", "fan", "any", "any"])

    def draw(self, keys: str, loops: int) -> tuple[StepSpec, ...]:
        steps: list[StepSpec] = []
        final: dict[str, frozenset[str]] = {}
        for key in keys:
            run_after = self._edges(keys[: len(steps)])
            final[key] = _certainly_final(run_after, final)
            is_loop = {spec.key: spec.loop is not None for spec in steps}
            outer = {name: loop for name, loop in self._outer.items() if name not in keys}
            readable = outer | {name: is_loop[name] for name in sorted(final[key])}
            if self._chance.random() < 0.08:
                attempts, guards = self._chance.choice([1, 1, 2]), self._guards(readable)
                steps.append(StepSpec(key, run_after, guards, attempts, signal=self._signal()))
            elif loops and self._chance.random() < 0.2:
                loops -= 1
                guards = self._guards(readable)
                if self._chance.random() < 0.5:
                    steps.append(StepSpec(key, run_after, guards, until=self._until(key, readable)))
                else:
                    steps.append(StepSpec(key, run_after, guards, loop=self._loop(key, readable)))
            elif not self._is_in_scope and self._chance.random() < 0.15:
                scope = self._branches(key, readable, loops)
                steps.append(StepSpec(key, run_after, self._guards(readable), scope=scope))
                loops = 0
            elif self._pen.children and self._chance.random() < 0.25:
                attempts = self._chance.randint(1, 3)
                guards = self._guards(readable)
                steps.append(StepSpec(key, run_after, guards, attempts, by_child=True, child=self._child()))
            else:
                attempts, played = self._play(key), self._outcomes.get(self._path + key, ())
                polls = {"defer", "succeed"} <= {outcome.kind for outcome in played}
                steps.append(StepSpec(key, run_after, self._guards(readable), attempts, polls=polls))
        return tuple(steps)

    def _edges(self, before: str) -> tuple[tuple[str, frozenset[StepStatus]], ...]:
        if not before:
            return ()
        match self._shape:
            case "chain":
                names = [before[-1]]
            case "fan":
                names = [before[0]]
            case _:
                names = self._chance.sample(before, self._chance.randint(0, min(3, len(before))))
        return tuple((name, self._chance.choice(_EDGES)) for name in names)

    def _play(self, key: str) -> int:
        """Decide what the step's handler does; returns how often it may fail."""
        if self._chance.random() < 0.4:
            return 1
        played = [self._outcome() for _ in range(self._chance.randint(1, 3))]
        if all(outcome.kind == "defer" for outcome in played):
            played.append(Outcome("succeed", 1))
        self._outcomes[self._path + key] = tuple(played)
        return self._chance.randint(1, 3)

    def _outcome(self) -> Outcome:
        kind = self._chance.choice([*["succeed"] * 8, "fail", "fail", "defer", "defer", "skip"])
        return Outcome("succeed", _data(self._chance)) if kind == "succeed" else Outcome(kind)  # type: ignore[arg-type]

    def _loop(self, key: str, readable: Mapping[str, bool]) -> LoopSpec:
        path, depth, inside = f"{self._path}{key}.", self._depth + 1, self._is_in_scope
        body = _Scope(self._pen, path, readable, depth, is_in_scope=inside, has_item=True)
        keys = _BODY_KEYS[self._depth][: self._chance.randint(1, 3)]
        return LoopSpec(
            self._source(readable),
            body.draw(keys, loops=1 if self._depth == 0 else 0),
            self._chance.randint(1, 4),
            self._chance.choice(["fail", "fail", "continue", "stopNew"]),
        )

    def _signal(self) -> SignalSpec:
        mode = self._chance.choice(["one", "one", "any", "all"])
        names = self._chance.sample(SIGNALS, 1 if mode == "one" else self._chance.randint(1, len(SIGNALS)))
        timeout_seconds = self._chance.choice([None, None, 0.5, 6.0])
        quorum = self._chance.choice([1, 1, 2])
        return SignalSpec(tuple(names), mode, quorum, timeout_seconds, self._chance.random() < 0.25)  # type: ignore[arg-type]

    def _child(self) -> ChildSpec:
        return ChildSpec(
            self._chance.choice(self._pen.children),
            self._chance.choice([None, _data(self._chance)]),
            self._chance.random() < 0.8,
            self._chance.choice(["fail", "fail", "continue"]),
            self._chance.choice([*[None] * 6, "key-0", "key-1"]),
        )

    def _until(self, key: str, readable: Mapping[str, bool]) -> UntilSpec:
        path, depth, inside = f"{self._path}{key}.", self._depth + 1, self._is_in_scope
        body = _Scope(self._pen, path, readable, depth, is_in_scope=inside, has_item=self._has_item)
        steps = body.draw(_BODY_KEYS[self._depth][: self._chance.randint(1, 2)], loops=1 if self._depth == 0 else 0)
        last = Compare(Read("output", steps[-1].key, (0, "n") if steps[-1].loop else ("n",)), "!=", None)
        enough = Compare(Read("index"), ">=", self._chance.randint(0, 3))
        return UntilSpec(self._chance.choice([last, enough]), steps, 3, self._chance.choice([0, 2, 15]))

    def _branches(self, key: str, readable: Mapping[str, bool], loops: int) -> ScopeSpec:
        path = f"{self._path}{key}."
        body = _Scope(self._pen, path, readable, self._depth, is_in_scope=True, has_item=self._has_item)
        steps = tuple(body._undone(spec) for spec in body.draw("efg"[: self._chance.randint(1, 3)], loops))
        seen = {**readable, **{spec.key: spec.loop is not None for spec in steps}}
        after = _Scope(self._pen, path, seen, self._depth, is_in_scope=True, has_item=self._has_item)
        catch = after.draw("mn"[: self._chance.choice([0, 0, 1, 2])], loops=0)
        return ScopeSpec(steps, catch, after.draw("yz"[: self._chance.choice([0, 1, 2])], loops=0))

    def _undone(self, spec: StepSpec) -> StepSpec:
        """With a compensation, perhaps."""
        if spec.is_block or self._chance.random() < 0.3:
            return spec
        return replace(spec, undo=self._play(f"undo-{spec.key}"))

    def _source(self, readable: Mapping[str, bool]) -> Source:
        literal = tuple(_items(self._chance))
        choices: list[Source] = [literal, literal, literal, Read("body", None, ("items",))]
        choices += [Read("output", name, () if is_loop else ("items",)) for name, is_loop in readable.items()]
        if self._has_item:
            choices.append(Read("item", None, ("items",)))
        return self._chance.choice(choices)

    def _guards(self, readable: Mapping[str, bool]) -> tuple[Guard, ...]:
        return (self._guard(readable),) if self._chance.random() < 0.15 else ()

    def _guard(self, readable: Mapping[str, bool]) -> Guard:
        choices: list[Guard] = [
            Constant(True),
            Compare(Read("body", None, ("n",)), self._chance.choice(["==", "!="]), 1),
        ]
        for name, is_loop in readable.items():
            choices.append(Compare(Read("status", name), "!=", self._chance.choice(sorted(ANY)).value))
            choices.append(Compare(Read("output", name, (0, "n") if is_loop else ("n",)), "!=", None))
            choices.append(Compare(Read("error_type", name), "!=", self._chance.choice(["Boom", None])))
        if self._depth:
            choices.append(Compare(Read("index"), "<", 2))
        return self._chance.choice(choices)


def _certainly_final(
    run_after: Sequence[tuple[str, frozenset[StepStatus]]], final: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """Steps that are final whenever a step with these edges starts: what a skipped step waited for may still run."""
    found = {name for name, _ in run_after}
    for name, accepted in run_after:
        if StepStatus.SKIPPED not in accepted:
            found |= final[name]
    return frozenset(found)


def _data(chance: Random) -> Json:
    return {"n": chance.choice(_SCALARS), "items": chance.choice([None, 3, _items(chance), _items(chance)])}


def _items(chance: Random) -> list[Json]:
    size = chance.choice([0, 1, 2, 3, 4, 9])
    return [chance.choice([*_SCALARS, {"n": 1, "items": [1, 2]}]) for _ in range(size)]
