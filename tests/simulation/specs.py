"""Flows and their fates as plain values: what the random histories are made of.

A ``FlowSpec`` is turned into a real manifest by :mod:`tests.simulation.manifests` and judged by
:mod:`tests.simulation.oracle`; neither sees how the other one reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from floworch.core.model.payload import Json
from floworch.core.model.status import StepStatus
from floworch.core.model.steps import OnItemFailure

__all__ = [
    "ANY",
    "DONE",
    "TROUBLE",
    "AllOf",
    "AnyOf",
    "ChildSpec",
    "Compare",
    "Constant",
    "FlowSpec",
    "Guard",
    "LoopSpec",
    "Negation",
    "Outcome",
    "Read",
    "ScopeSpec",
    "Script",
    "SignalSpec",
    "Source",
    "StepSpec",
    "UntilSpec",
    "cleans_up",
    "script_place",
    "spec_of",
    "step",
    "steps_of_scope",
]

DONE = frozenset({StepStatus.SUCCEEDED})
TROUBLE = frozenset({StepStatus.FAILED})
ANY = frozenset({StepStatus.SUCCEEDED, StepStatus.FAILED, StepStatus.SKIPPED})


@dataclass(frozen=True, slots=True)
class Read:
    """Something an expression reads: of a step, the trigger's body, or the iteration around it.

    ``trail`` is walked leniently: what is missing is null.
    """

    what: Literal["output", "status", "error_type", "body", "item", "index"]
    name: str | None = None
    """Step key for the first three, optional loop key for item and index."""
    trail: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    value: bool


@dataclass(frozen=True, slots=True)
class Compare:
    left: Read
    op: Literal["==", "!=", "<", ">="]
    right: Json


@dataclass(frozen=True, slots=True)
class Negation:
    inner: Guard


@dataclass(frozen=True, slots=True)
class AllOf:
    left: Guard
    right: Guard


@dataclass(frozen=True, slots=True)
class AnyOf:
    left: Guard
    right: Guard


Guard: TypeAlias = Read | Constant | Compare | Negation | AllOf | AnyOf
"""A ``when`` clause. A bare ``Read`` is an error unless it happens to give a boolean."""

Source: TypeAlias = Read | tuple[Json, ...]
"""What a loop goes over: a literal list or something that is read."""


@dataclass(frozen=True, slots=True)
class StepSpec:
    key: str
    run_after: tuple[tuple[str, frozenset[StepStatus]], ...] = ()
    guards: tuple[Guard, ...] = ()
    """The first hangs on the step itself, the following ones on its edges, in order."""
    max_attempts: int = 1
    loop: LoopSpec | None = None
    signal: SignalSpec | None = None
    until: UntilSpec | None = None
    scope: ScopeSpec | None = None
    polls: bool = False
    """Whether deferrals are polls that were not answered as the step wants."""
    by_child: bool = False
    """Whether what the handler comes to is the end of a run that it starts. It never defers."""
    child: ChildSpec | None = None
    """The run that it starts, where there is more than one run to a history."""
    undo: int | None = None
    """Attempts that the compensation of the step has; None for a step without one."""

    @property
    def is_block(self) -> bool:
        return self.loop is not None or self.until is not None or self.scope is not None


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """A step that waits for that many signals: of one name, of any of them, or of each of them."""

    names: tuple[str, ...]
    mode: Literal["one", "any", "all"] = "one"
    quorum: int = 1
    timeout_seconds: float | None = None
    only_text: bool = False
    """Whether a schema refuses payloads of other types."""

    def takes(self, payload: Json) -> bool:
        return isinstance(payload, str) or not self.only_text


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A run of another flow that a step starts."""

    flow: str
    body: Json = None
    """Of the child; None passes on that of the parent."""
    waits: bool = True
    on_failure: Literal["fail", "continue"] = "fail"
    key: str | None = None


@dataclass(frozen=True, slots=True)
class LoopSpec:
    source: Source
    body: tuple[StepSpec, ...]
    concurrency_limit: int = 1
    on_item_failure: OnItemFailure = "fail"


@dataclass(frozen=True, slots=True)
class UntilSpec:
    condition: Guard
    """Reads the steps of the iteration, and nothing that a retry by hand may change meanwhile."""
    body: tuple[StepSpec, ...]
    max_iterations: int = 3
    delay_seconds: int = 0


@dataclass(frozen=True, slots=True)
class ScopeSpec:
    steps: tuple[StepSpec, ...]
    catch: tuple[StepSpec, ...] = ()
    last: tuple[StepSpec, ...] = ()
    """The branch ``finally``."""

    @property
    def branches(self) -> Mapping[str, tuple[StepSpec, ...]]:
        """Those that the scope has. Compensations go by the keys of the steps that they undo."""
        undoing = tuple(StepSpec(spec.key, max_attempts=spec.undo) for spec in self.steps if spec.undo)
        branches = {"steps": self.steps, "compensate": undoing, "catch": self.catch, "finally": self.last}
        return {name: steps for name, steps in branches.items() if steps}


@dataclass(frozen=True, slots=True)
class FlowSpec:
    steps: tuple[StepSpec, ...]
    body: Json = None
    """The payload of the trigger."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one execution of a handler comes to."""

    kind: Literal["succeed", "fail", "skip", "defer", "refuse"]
    """``refuse`` is a failure that is not tried again, whose type is the output."""
    output: Json = None


@dataclass(frozen=True, slots=True)
class Script:
    """What handlers do: static path → outcomes, played in turn; a path that is not listed succeeds with null.

    Iterations start at different places of the list, so that they differ from each other. Executions that
    were lost or handed back are not counted, which makes the end independent of the interleaving.
    """

    outcomes: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)

    def outcome(self, path: str, indexes: tuple[int, ...], execution: int) -> Outcome:
        """What the ``execution``-th (from 0) execution comes to that reported anything."""
        choices = self.outcomes.get(path)
        if not choices:
            return Outcome("succeed")
        return choices[(sum(indexes) + execution) % len(choices)]


def step(key: str, *after: str, **more: frozenset[StepStatus]) -> StepSpec:
    """A step that runs after others: ``step("b", "a")``, ``step("c", a=TROUBLE)``; ``max_attempts`` and the
    like by :func:`dataclasses.replace`."""
    return StepSpec(key, (*((name, DONE) for name in after), *more.items()))


def steps_of_scope(flow: FlowSpec, scope: str) -> tuple[StepSpec, ...]:
    """Steps of the flow itself (``""``), of an iteration such as ``l.0.m.3``, or of a branch such as ``s.catch``."""
    steps = flow.steps
    parts = scope.split(".") if scope else []
    for name, branch in zip(parts[::2], parts[1::2], strict=True):
        block = next(spec for spec in steps if spec.key == name)
        if block.scope is not None:
            steps = block.scope.branches[branch]
        else:
            loop = block.loop or block.until
            assert loop is not None
            steps = loop.body
    return steps


def script_place(step_key: str) -> tuple[str, tuple[int, ...]]:
    """Path and indexes by which the script knows the step: ``s.compensate.a`` is ``s.undo-a``."""
    *around, own = step_key.split(".")
    own = f"undo-{own}" if around[-1:] == ["compensate"] else own
    return ".".join([*around[::2], own]), tuple(int(part) for part in around[1::2] if part.isdigit())


def cleans_up(step_key: str) -> bool:
    """Whether the step runs although its run is being stopped."""
    return not {"compensate", "finally"}.isdisjoint(step_key.split(".")[1::2])


def spec_of(flow: FlowSpec, step_key: str) -> StepSpec:
    scope, _, own = step_key.rpartition(".")
    return next(spec for spec in steps_of_scope(flow, scope) if spec.key == own)
