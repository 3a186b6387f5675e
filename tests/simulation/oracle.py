"""A naive second opinion on how a run ends.

Plain recursion over the whole flow, without any increments and without a line of ``floworch.core.machine`` or
``floworch.core.dag``: every status follows from the final statuses of the dependencies, so the order in which
things happened does not matter. Slow, and short enough to be checked by eye.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from floworch.core.model.payload import Json
from floworch.core.model.status import RunStatus, StepStatus
from tests.simulation.specs import (
    FlowSpec,
    LoopSpec,
    Outcome,
    ScopeSpec,
    StepSpec,
    UntilSpec,
    script_place,
    steps_of_scope,
)
from tests.simulation.truth import ExpressionFails, Facts, as_list, holds, read

__all__ = [
    "HandlerScript",
    "Result",
    "Verdict",
    "expected",
    "retried_keys",
    "scope_outcome",
    "skipped_behind",
    "succeeded_loop",
    "succeeded_scope",
    "usual_ends",
]


class HandlerScript(Protocol):
    def outcome(self, path: str, indexes: tuple[int, ...], execution: int) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Result:
    """How a step ends. ``why`` tells the kinds of skips and failures apart."""

    status: StepStatus
    output: Json = None
    why: str = ""
    shown: bool = field(default=False, compare=False)
    """Whether it has something to add to the output of the loop around it."""


@dataclass(slots=True)
class Verdict:
    run: RunStatus
    steps: dict[str, Result]
    """Run-time key → result, for every step of every scope that was entered."""


@dataclass(slots=True)
class _Judge:
    flow: FlowSpec
    script: HandlerScript
    executions: Mapping[str, int]
    lost: frozenset[tuple[str, int]]
    begun: Mapping[str, Sequence[Json] | None]
    gone_on: Mapping[str, str]
    entered: Mapping[str, int]
    counted_from: Mapping[str, int]
    waited: Mapping[str, Result]
    results: dict[str, Result]


@dataclass(frozen=True, slots=True)
class _Scope:
    """The flow itself, or one iteration of a loop inside ``outer``."""

    steps: Sequence[StepSpec]
    prefix: str = ""
    indexes: tuple[int, ...] = ()
    loop: str = ""
    item: Json = None
    has_item: bool = False
    outer: _Scope | None = None
    beside: _Scope | None = None
    """The steps of the scope whose ``catch`` or ``finally`` this is."""

    def around(self) -> Iterable[_Scope]:
        scope: _Scope | None = self
        while scope is not None:
            yield scope
            if scope.beside is not None:
                yield scope.beside
            scope = scope.outer


def expected(
    flow: FlowSpec,
    script: HandlerScript,
    *,
    executions: Mapping[str, int] | None = None,
    pinned: Mapping[str, Result] | None = None,
    lost: frozenset[tuple[str, int]] = frozenset(),
    begun: Mapping[str, Sequence[Json] | None] | None = None,
    gone_on: Mapping[str, str] | None = None,
    entered: Mapping[str, int] | None = None,
    counted_from: Mapping[str, int] | None = None,
    waited: Mapping[str, Result] | None = None,
) -> Verdict:
    """How the run and all its steps end when nobody stops it.

    ``executions`` says how often a step has run before, ``pinned`` are results that stay as they are (both after
    a retry), ``lost`` are the executions that were declared lost for good, by key and number. ``begun`` are steps that
    had begun before a retry changed what they depend on, with their items if they are loops: they go on. ``gone_on``
    are scopes that had acted upon how their steps had ended, which stays as it was. ``entered`` says how many
    iterations a loop has begun that begins none after a failure, because that depends on the order of things.
    ``counted_from`` are the iterations that a loop retried by hand had behind it.
    ``waited`` is what waits for signals have come to, which is for those who send them to say.
    """
    judge = _Judge(
        flow=flow,
        script=script,
        executions=executions or {},
        lost=lost,
        begun=begun or {},
        gone_on=gone_on or {},
        entered=entered or {},
        counted_from=counted_from or {},
        waited=waited or {},
        results=dict(pinned or {}),
    )
    status = _judge_scope(judge, _Scope(flow.steps))
    return Verdict(RunStatus(status.value), judge.results)


def _judge_scope(judge: _Judge, scope: _Scope) -> StepStatus:
    return scope_outcome(scope.steps, {spec.key: _result(judge, scope, spec) for spec in scope.steps})


def scope_outcome(steps: Sequence[StepSpec], ends: Mapping[str, Result]) -> StepStatus:
    """How a flow, or an iteration, ends whose steps have ended like this."""
    if any(end.status is StepStatus.FAILED and not _is_handled(steps, ends, key) for key, end in ends.items()):
        return StepStatus.FAILED
    graph = list(steps)
    while standing_aside := [spec for spec in _leaves(graph) if _is_unused_error_path(spec, steps, ends)]:
        graph = [spec for spec in graph if spec not in standing_aside]
    if all(ends[leaf.key].status is StepStatus.SKIPPED for leaf in _leaves(graph)):
        return StepStatus.SKIPPED
    return StepStatus.SUCCEEDED


def _is_handled(steps: Sequence[StepSpec], ends: Mapping[str, Result], key: str) -> bool:
    return any(key in dict(spec.run_after) and ends[spec.key].status is StepStatus.SUCCEEDED for spec in steps)


def _leaves(steps: Sequence[StepSpec]) -> list[StepSpec]:
    return [spec for spec in steps if not any(spec.key in dict(other.run_after) for other in steps)]


def _is_unused_error_path(spec: StepSpec, steps: Sequence[StepSpec], ends: Mapping[str, Result]) -> bool:
    """Skipped because trouble did not come: its own, or that of a step whose success it waits for."""
    if ends[spec.key].why != "prerequisites":
        return False
    unmet = {name: accepted for name, accepted in spec.run_after if ends[name].status not in accepted}
    if any(StepStatus.SUCCEEDED not in accepted for accepted in unmet.values()):
        return True
    return any(_is_unused_error_path(before, steps, ends) for before in steps if before.key in unmet)


def usual_ends(steps: Sequence[StepSpec]) -> list[StepSpec]:
    """The last steps of a scope in which all goes well."""
    usual: list[str] = []
    for spec in _in_order(steps):
        needs = dict(spec.run_after).items()
        if all(
            StepStatus.SUCCEEDED in accepted and (name in usual or StepStatus.SKIPPED in accepted)
            for name, accepted in needs
        ):
            usual.append(spec.key)
    return _leaves([spec for spec in steps if spec.key in usual])


def _in_order(steps: Sequence[StepSpec]) -> list[StepSpec]:
    """Each step after those that it runs after."""
    ordered: list[StepSpec] = []
    while len(ordered) < len(steps):
        known = {spec.key for spec in ordered}
        ordered += [spec for spec in steps if spec.key not in known and known.issuperset(dict(spec.run_after))]
    return ordered


def _result(judge: _Judge, scope: _Scope, spec: StepSpec) -> Result:
    key = scope.prefix + spec.key
    if key not in judge.results:
        judge.results[key] = _decide(judge, scope, spec)
    return judge.results[key]


def _decide(judge: _Judge, scope: _Scope, spec: StepSpec) -> Result:
    key = scope.prefix + spec.key
    if key in judge.begun:
        return _run(judge, scope, spec, judge.begun[key])
    siblings = {sibling.key: sibling for sibling in scope.steps}
    for name, accepted in spec.run_after:
        if _result(judge, scope, siblings[name]).status not in accepted:
            return Result(StepStatus.SKIPPED, why="prerequisites")
    facts = _ScopeFacts(judge, scope)
    try:
        if not all(holds(guard, facts) for guard in spec.guards):
            return Result(StepStatus.SKIPPED, why="when")
        items = None if spec.loop is None else _items(spec.loop, facts)
    except ExpressionFails:
        return Result(StepStatus.FAILED, why="ExpressionError")
    return _run(judge, scope, spec, items)


def _run(judge: _Judge, scope: _Scope, spec: StepSpec, items: Sequence[Json] | None) -> Result:
    if spec.scope is not None:
        return _group(judge, scope, spec, spec.scope)
    if spec.until is not None:
        return _until(judge, scope, spec, spec.until)
    if spec.signal is not None:
        return judge.waited[scope.prefix + spec.key]
    if spec.loop is None:
        return _play(judge, scope, spec)
    return Result(StepStatus.FAILED, why="source") if items is None else _loop(judge, scope, spec, spec.loop, items)


def _items(loop: LoopSpec, facts: Facts) -> list[Json] | None:
    """The items of a loop; None when its source is not a list."""
    return as_list(list(loop.source) if isinstance(loop.source, tuple) else read(loop.source, facts))


def _play(judge: _Judge, scope: _Scope, spec: StepSpec) -> Result:
    key, (path, _) = scope.prefix + spec.key, script_place(scope.prefix + spec.key)
    execution, failures = judge.executions.get(key, 0), 0
    for number in range(execution, execution + 1000):
        if (key, number) in judge.lost:
            return Result(StepStatus.FAILED, why="lost")
        outcome = judge.script.outcome(path, scope.indexes, number)
        match outcome.kind:
            case "succeed":
                return Result(StepStatus.SUCCEEDED, outcome.output, shown=True)
            case "skip":
                return Result(StepStatus.SKIPPED, why="handler")
            case "fail":
                failures += 1
                if failures == spec.max_attempts:
                    return Result(StepStatus.FAILED, why="ChildFailed" if spec.by_child else "Boom")
            case "refuse":
                return Result(StepStatus.FAILED, why=str(outcome.output))
            case "defer":
                failures = 0 if spec.polls else failures
    raise AssertionError(f"the script of {path} never comes to an end")


def _loop(judge: _Judge, scope: _Scope, spec: StepSpec, loop: LoopSpec, items: Sequence[Json]) -> Result:
    iterations = [
        replace(_iteration(scope, spec, loop.body, index), item=item, has_item=True) for index, item in enumerate(items)
    ]
    if loop.on_item_failure == "stopNew":
        begun = iterations[: judge.entered.get(scope.prefix + spec.key, len(iterations))]
        if StepStatus.FAILED in [_judge_scope(judge, iteration) for iteration in begun]:
            return Result(StepStatus.FAILED, why="iterations")
    ends = [_judge_scope(judge, iteration) for iteration in iterations]
    if StepStatus.FAILED in ends and loop.on_item_failure != "continue":
        return Result(StepStatus.FAILED, why="iterations")
    if ends and all(end is StepStatus.SKIPPED for end in ends):
        return Result(StepStatus.SKIPPED, why="iterations")
    entries = [_results(judge, iteration) for iteration in iterations]
    return succeeded_loop([{} if end is StepStatus.FAILED else entry for end, entry in zip(ends, entries, strict=True)])


def _until(judge: _Judge, scope: _Scope, spec: StepSpec, until: UntilSpec) -> Result:
    first = judge.counted_from.get(scope.prefix + spec.key, 0)
    for index in range(first + until.max_iterations):
        iteration = _iteration(scope, spec, until.body, index)
        if _judge_scope(judge, iteration) is StepStatus.FAILED:
            return Result(StepStatus.FAILED, why="iterations")
        if index < first:
            continue  # a retry by hand goes on, whatever ended the loop before
        try:
            if holds(until.condition, _ScopeFacts(judge, iteration)):
                return succeeded_scope(_results(judge, iteration))
        except ExpressionFails:
            return Result(StepStatus.FAILED, why="ExpressionError")
    return Result(StepStatus.FAILED, why="UntilExhausted")


def _iteration(scope: _Scope, spec: StepSpec, steps: Sequence[StepSpec], index: int) -> _Scope:
    return _Scope(
        steps=steps,
        prefix=f"{scope.prefix}{spec.key}.{index}.",
        indexes=(*scope.indexes, index),
        loop=spec.key,
        outer=scope,
    )


def _results(judge: _Judge, scope: _Scope) -> Mapping[str, Result]:
    return {leaf.key: judge.results[scope.prefix + leaf.key] for leaf in usual_ends(scope.steps)}


def _group(judge: _Judge, scope: _Scope, spec: StepSpec, group: ScopeSpec) -> Result:
    key, branches = scope.prefix + spec.key, group.branches
    body = _branch(scope, spec, "steps", group.steps)
    was_stopped = judge.gone_on.get(key) == "Stopped"  # before a retry let the run go on
    end = StepStatus.SKIPPED if was_stopped else StepStatus(judge.gone_on.get(key) or _judge_scope(judge, body))
    _judge_scope(judge, body)
    is_undone = was_stopped or end is StepStatus.FAILED
    failed_to_undo = is_undone and StepStatus.FAILED in _undo(judge, scope, spec, group)
    is_caught = False
    if end is StepStatus.FAILED and "catch" in branches:
        is_caught = _judge_scope(judge, _branch(scope, spec, "catch", group.catch, body)) is StepStatus.SUCCEEDED
    last = StepStatus.SUCCEEDED
    if "finally" in branches:
        last = _judge_scope(judge, _branch(scope, spec, "finally", group.last, body))
    if failed_to_undo:
        return Result(StepStatus.FAILED, why="CompensationFailed")
    if (end is StepStatus.FAILED and not is_caught) or last is StepStatus.FAILED:
        return Result(StepStatus.FAILED, why="ScopeFailed")
    if end is StepStatus.SKIPPED:
        return Result(StepStatus.SKIPPED, why="stopped" if was_stopped else "iterations")
    branch = _branch(scope, spec, "catch", group.catch) if is_caught else body
    return succeeded_scope({leaf.key: judge.results[branch.prefix + leaf.key] for leaf in usual_ends(branch.steps)})


def _branch(
    scope: _Scope, spec: StepSpec, name: str, steps: Sequence[StepSpec], beside: _Scope | None = None
) -> _Scope:
    return _Scope(
        steps=steps,
        prefix=f"{scope.prefix}{spec.key}.{name}.",
        indexes=scope.indexes,
        outer=scope,
        beside=beside,
    )


def _undo(judge: _Judge, scope: _Scope, spec: StepSpec, group: ScopeSpec) -> list[StepStatus]:
    """How the compensations end of what the scope has done, and the scopes inside it that have not undone it."""
    body, ends = _branch(scope, spec, "steps", group.steps), []
    for inner in group.steps:
        key = body.prefix + inner.key
        if inner.undo and judge.results[key].status is StepStatus.SUCCEEDED:
            undoing = _branch(scope, spec, "compensate", group.branches["compensate"])
            ends.append(_result(judge, undoing, next(one for one in undoing.steps if one.key == inner.key)).status)
        if inner.scope is not None and _has_kept(judge, body, inner, inner.scope):
            ends += _undo(judge, body, inner, inner.scope)
    return ends


def _has_kept(judge: _Judge, scope: _Scope, spec: StepSpec, group: ScopeSpec) -> bool:
    """Whether the scope has begun, and has not undone what its steps have done."""
    prefix = f"{scope.prefix}{spec.key}.steps."
    if not any(prefix + inner.key in judge.results for inner in group.steps):
        return False
    end = judge.gone_on.get(scope.prefix + spec.key)
    if end == "Stopped":
        return False
    return (end or _judge_scope(judge, _branch(scope, spec, "steps", group.steps))) != StepStatus.FAILED


def succeeded_scope(leaves: Mapping[str, Result]) -> Result:
    """Result of a scope that succeeded, from how the leaves of its steps or of its catch ended (leaf key → result)."""
    return Result(StepStatus.SUCCEEDED, _entry(leaves), shown=any(leaf.shown for leaf in leaves.values()))


def succeeded_loop(iterations: Sequence[Mapping[str, Result]]) -> Result:
    """Result of a loop that succeeded, from how the leaves of its iterations ended (leaf key → result)."""
    shown = not iterations or any(leaf.shown for leaves in iterations for leaf in leaves.values())
    return Result(StepStatus.SUCCEEDED, [_entry(leaves) for leaves in iterations], shown=shown)


def _entry(leaves: Mapping[str, Result]) -> Json:
    if not any(leaf.shown for leaf in leaves.values()):
        return None
    outputs = {key: leaf.output if leaf.shown else None for key, leaf in leaves.items()}
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


@dataclass(frozen=True, slots=True)
class _ScopeFacts:
    """What expressions of a step in this scope read; names are looked up from the inside outwards."""

    judge: _Judge
    scope: _Scope

    def body(self) -> Json:
        return self.judge.flow.body

    def step(self, key: str) -> tuple[str, Json, str | None]:
        for scope in self.scope.around():
            for spec in scope.steps:
                if spec.key == key:
                    found = _result(self.judge, scope, spec)
                    error = found.why if found.status is StepStatus.FAILED else None
                    return found.status.value, found.output, error
        raise AssertionError(f"no step {key!r} in sight")

    def iteration(self, loop: str | None, *, of_items: bool) -> tuple[Json, int]:
        for scope in self.scope.around():
            if scope.loop and loop in (None, scope.loop) and (scope.has_item or not of_items):
                return scope.item, scope.indexes[-1]
        raise AssertionError(f"no loop {loop!r} around")


def retried_keys(flow: FlowSpec, ends: Mapping[str, Result], key: str, gone_on: Iterable[str] = ()) -> frozenset[str]:
    """Keys that a retry of the failed step ``key`` decides anew: itself, the blocks around it, and in every scope on
    the way out whatever was skipped behind them because of how earlier steps ended.

    ``ends`` holds the steps that are final. What is behind a step of a scope that has gone on stays as it is.
    """
    again: set[str] = set()
    fixed = {f"{scope}.steps" for scope in gone_on}
    while key:
        around = key.rpartition(".")[0]
        again |= {key} | (set() if around in fixed else skipped_behind(flow, ends, key))
        key = around.rpartition(".")[0]
    return frozenset(again)


def skipped_behind(flow: FlowSpec, ends: Mapping[str, Result], key: str) -> set[str]:
    """Steps after ``key`` in its scope that were skipped because of how earlier steps ended, and those after them.

    What lies behind a step that ran stays as it is: that step does not run again.
    """
    scope, _, own = key.rpartition(".")
    prefix = f"{scope}." if scope else ""
    decided = {name for name, end in ends.items() if end.why in ("prerequisites", "when")}
    skipped = [spec for spec in steps_of_scope(flow, scope) if prefix + spec.key in decided]
    behind: set[str] = set()
    frontier = {own}
    while frontier := {spec.key for spec in skipped if frontier & dict(spec.run_after).keys()} - behind:
        behind |= frontier
    return {prefix + name for name in behind}
