"""The flows that the chaos tests run, and what must have come of each run, whatever died meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from floworch import (
    Compensation,
    FlowDefinition,
    FlowManifest,
    ForEach,
    RetryPolicy,
    RunStatus,
    Scope,
    Step,
    StepContext,
    StepResult,
    StepStatus,
    Until,
    polling_handler,
    step_handler,
)
from tests.chaos.effects import Effects, EffectsUnavailable
from tests.chaos.speech import say

__all__ = ["FLOWS", "HANDLERS", "Expected", "Held", "all_runs", "expected_of"]

_UNTIL_THE_EFFECT_IS_HAD = RetryPolicy(
    max_attempts=1000, backoff="exponential", initial=0.05, max=1.0, retry_on=(EffectsUnavailable,)
)
"""The place of the effects may be down just as the store may: that is no failure of the step."""
_FLAKY = RetryPolicy(max_attempts=1000, backoff="fixed", initial=0.05, jitter=False)


@step_handler("Effect", retry=_UNTIL_THE_EFFECT_IS_HAD)
async def effect(ctx: StepContext, pause_ms: int = 2) -> dict[str, Any]:
    await asyncio.sleep(pause_ms / 1000)
    await asyncio.to_thread(ctx.service(Effects).have, ctx)
    return {"step": ctx.step_key}


@step_handler("BlockingEffect", retry=_UNTIL_THE_EFFECT_IS_HAD)
def blocking_effect(ctx: StepContext) -> str:
    ctx.service(Effects).have(ctx)
    return ctx.step_key


@step_handler("Flaky", retry=_FLAKY)
def flaky(ctx: StepContext) -> int:
    ctx.service(Effects).have(ctx)
    if ctx.attempt <= 2:
        raise ConnectionError("not yet")
    return ctx.attempt


@step_handler("Parked", retry=_UNTIL_THE_EFFECT_IS_HAD)
def parked(ctx: StepContext) -> Any:
    ctx.service(Effects).have(ctx)
    return StepResult.deferred(0.2) if ctx.first_started_at is None else "awake"


@polling_handler("Asked", retry=_UNTIL_THE_EFFECT_IS_HAD)
def asked(ctx: StepContext) -> Any:
    ctx.service(Effects).have(ctx)
    return {"ready": ctx.poll_number >= 2}


@step_handler("Broken", retry=_UNTIL_THE_EFFECT_IS_HAD)
def broken(ctx: StepContext) -> None:
    ctx.service(Effects).have(ctx)
    raise ValueError("broken for good")


@step_handler("Endless")
async def endless(ctx: StepContext) -> None:
    while True:
        ctx.raise_if_cancelled()
        await asyncio.sleep(0.05)


@step_handler("Held")
async def held(ctx: StepContext) -> dict[str, Any]:
    """Waits for the gate of its attempt, and does not care whether it is still wanted."""
    say(f"holds {ctx.attempt}")
    gates = ctx.service(Effects)
    while not await asyncio.to_thread(gates.is_gate_open, ctx.attempt):  # noqa: ASYNC110 - the gate is a row
        await asyncio.sleep(0.02)
    return {"process": os.getpid(), "attempt": ctx.attempt}


HANDLERS = (effect, blocking_effect, flaky, parked, asked, broken, endless, held)


class Chain(FlowDefinition):
    id = UUID(int=0xC1)
    manifest = FlowManifest(
        steps={f"s{n}": Step(type="Effect", run_after=[f"s{n - 1}"] if n else []) for n in range(5)}
    )


class Fan(FlowDefinition):
    id = UUID(int=0xC2)
    manifest = FlowManifest(
        steps={
            "start": Step(type="BlockingEffect"),
            **{f"p{n}": Step(type="Effect", run_after=["start"]) for n in range(6)},
            "join": Step(type="Effect", run_after=[f"p{n}" for n in range(6)]),
        }
    )


class Loop(FlowDefinition):
    """A loop in a loop."""

    id = UUID(int=0xC3)
    manifest = FlowManifest(
        steps={
            "loop": ForEach(
                for_each="@range(0, 3)",
                concurrency_limit=2,
                steps={
                    "a": Step(type="Effect"),
                    "inner": ForEach(
                        for_each="@range(0, 2)", run_after=["a"], steps={"b": Step(type="BlockingEffect")}
                    ),
                },
            ),
            "end": Step(type="Effect", run_after=["loop"], when="@length(steps('loop').output) == 3"),
        }
    )


class Retries(FlowDefinition):
    id = UUID(int=0xC4)
    manifest = FlowManifest(
        steps={
            "flaky": Step(type="Flaky"),
            "parked": Step(type="Parked", run_after=["flaky"]),
            "unneeded": Step(type="Effect", run_after={"parked": ["Failed"]}),
            "end": Step(type="Effect", run_after=["parked"]),
        }
    )


class Asks(FlowDefinition):
    """A step is polled; the worker of a poll may die."""

    id = UUID(int=0xDA)
    manifest = FlowManifest(
        steps={
            "asked": Step(type="Asked", inputs={"pollIntervalSeconds": 1, "pollConditionPath": "ready"}),
            "end": Step(type="Effect", run_after=["asked"], when="@steps('asked').output.ready"),
        }
    )


class Handled(FlowDefinition):
    """A step fails, and another one makes up for it."""

    id = UUID(int=0xC5)
    manifest = FlowManifest(
        steps={
            "broken": Step(type="Broken"),
            "amends": Step(type="Effect", run_after={"broken": ["Failed"]}),
            "never": Step(type="Effect", run_after=["broken"]),
        }
    )


class Unhandled(FlowDefinition):
    id = UUID(int=0xC6)
    manifest = FlowManifest(
        steps={
            "first": Step(type="Effect"),
            "broken": Step(type="Broken", run_after=["first"]),
            "never": Step(type="Effect", run_after=["broken"]),
        }
    )


class Late(FlowDefinition):
    """Its deadline passes while a step runs."""

    id = UUID(int=0xC7)
    manifest = FlowManifest(
        steps={"endless": Step(type="Endless"), "never": Step(type="Effect", run_after=["endless"])},
        timeout_seconds=1.0,
    )


class Repeats(FlowDefinition):
    """A loop that goes on until a condition holds, then one that lets go of the items that fail."""

    id = UUID(int=0xD1)
    manifest = FlowManifest(
        steps={
            "until": Until(until="@index() >= 2", delay=0.1, steps={"a": Step(type="Effect")}),
            "loop": ForEach(
                for_each="@range(0, 2)",
                on_item_failure="continue",
                run_after=["until"],
                steps={"b": Step(type="Broken")},
            ),
            "end": Step(type="Effect", run_after=["loop"], when="@length(steps('loop').output) == 2"),
        }
    )


def _undone(*after: str) -> Step:
    return Step(type="Effect", run_after=list(after), compensate=Compensation(type="Effect"))


class Undone(FlowDefinition):
    """A scope fails: what it has done, itself and by a scope inside, is undone."""

    id = UUID(int=0xD2)
    manifest = FlowManifest(
        steps={
            "scope": Scope(
                steps={
                    "a": _undone(),
                    "inner": Scope(run_after=["a"], steps={"b": _undone()}),
                    "broken": Step(type="Broken", run_after=["inner"]),
                },
                catch={"caught": Step(type="Effect")},
                finally_={"last": Step(type="Effect")},
            ),
            "end": Step(type="Effect", run_after=["scope"]),
        }
    )


class LateUndone(FlowDefinition):
    """Its deadline passes while a scope is under way, which is undone although the run is being stopped."""

    id = UUID(int=0xD3)
    manifest = FlowManifest(
        steps={
            "scope": Scope(
                steps={"a": _undone(), "endless": Step(type="Endless", run_after=["a"])},
                catch={"never": Step(type="Effect")},
                finally_={"last": Step(type="Effect")},
            )
        },
        timeout_seconds=1.5,
    )


class Unheard(FlowDefinition):
    """Waits for a signal that never comes, twice, and makes up for it."""

    id = UUID(int=0xD4)
    manifest = FlowManifest(
        steps={
            "first": Step(type="Effect"),
            "wait": Step(
                type="WaitForSignal",
                run_after=["first"],
                inputs={"timeoutSeconds": 0.2},
                retry=RetryPolicy(max_attempts=2, backoff="fixed", initial=0.05, jitter=False),
            ),
            "amends": Step(type="Effect", run_after={"wait": ["Failed"]}),
        }
    )


class Held(FlowDefinition):
    """For tests that decide by themselves when a step ends."""

    id = UUID(int=0xC8)
    manifest = FlowManifest(steps={"held": Step(type="Held"), "after": Step(type="LogMessage", run_after=["held"])})


class Family(FlowDefinition):
    """Its children are chains, some of which nobody waits for."""

    id = UUID(int=0xCF)
    manifest = FlowManifest(
        steps={
            "each": ForEach(
                for_each="@range(0, 3)",
                concurrency_limit=3,
                steps={"child": Step(type="RunFlow", inputs={"flow": "Chain"})},
            ),
            "alone": Step(type="RunFlow", run_after=["each"], inputs={"flow": "Chain", "wait": False}),
            "broken": Step(type="RunFlow", inputs={"flow": "Unhandled", "onChildFailure": "continue"}),
            "end": Step(
                type="Effect", run_after=["each", "alone", "broken"], when="@length(steps('each').output) == 3"
            ),
        }
    )


FLOWS: tuple[type[FlowDefinition], ...] = (
    Family,
    *(Chain, Fan, Loop, Retries, Asks, Handled, Unhandled, Late),
    *(Repeats, Undone, LateUndone),
    Unheard,
)


def all_runs(triggered: int) -> int:
    """Number of runs when so many were triggered of these flows in turn: each child is started once, whatever dies."""
    families = len(range(FLOWS.index(Family), triggered, len(FLOWS)))
    return triggered + 5 * families


@dataclass(frozen=True, slots=True)
class Expected:
    """``with_effect`` are the run-time keys of the steps whose effect must have been had, ``steps`` how steps end."""

    status: RunStatus
    with_effect: frozenset[str]
    steps: Mapping[str, StepStatus]


def expected_of(flow_id: UUID) -> Expected:
    """What comes of every run of a flow."""
    return _EXPECTED[flow_id]


def _all_succeed(*keys: str, without_effect: tuple[str, ...] = (), skipped: tuple[str, ...] = ()) -> Expected:
    done = dict.fromkeys((*keys, *without_effect), StepStatus.SUCCEEDED)
    return Expected(RunStatus.SUCCEEDED, frozenset(keys), {**done, **dict.fromkeys(skipped, StepStatus.SKIPPED)})


_BODY = [f"loop.{n}.{key}" for n in range(3) for key in ("a", "inner.0.b", "inner.1.b")]
_UNDONE = (
    *("scope.steps.a", "scope.steps.inner.steps.b", "scope.steps.inner.compensate.b", "scope.compensate.a"),
    *("scope.catch.caught", "scope.finally.last"),
)
_EXPECTED = {
    Chain.id: _all_succeed(*(f"s{n}" for n in range(5))),
    Fan.id: _all_succeed("start", "join", *(f"p{n}" for n in range(6))),
    Loop.id: _all_succeed("end", *_BODY, without_effect=("loop", *(f"loop.{n}.inner" for n in range(3)))),
    Retries.id: _all_succeed("flaky", "parked", "end", skipped=("unneeded",)),
    Asks.id: _all_succeed("asked", "end"),
    Handled.id: Expected(
        RunStatus.SUCCEEDED,
        frozenset({"broken", "amends"}),
        {"broken": StepStatus.FAILED, "amends": StepStatus.SUCCEEDED, "never": StepStatus.SKIPPED},
    ),
    Unhandled.id: Expected(
        RunStatus.FAILED,
        frozenset({"first", "broken"}),
        {"first": StepStatus.SUCCEEDED, "broken": StepStatus.FAILED, "never": StepStatus.SKIPPED},
    ),
    Repeats.id: Expected(
        RunStatus.SUCCEEDED,
        frozenset({*(f"until.{n}.a" for n in range(3)), "loop.0.b", "loop.1.b", "end"}),
        {
            **dict.fromkeys(("until", *(f"until.{n}.a" for n in range(3)), "loop", "end"), StepStatus.SUCCEEDED),
            **dict.fromkeys(("loop.0.b", "loop.1.b"), StepStatus.FAILED),
        },
    ),
    Undone.id: Expected(
        RunStatus.SUCCEEDED,
        frozenset({*_UNDONE, "scope.steps.broken", "end"}),
        {**dict.fromkeys((*_UNDONE, "scope", "scope.steps.inner", "end"), StepStatus.SUCCEEDED)}
        | {"scope.steps.broken": StepStatus.FAILED},
    ),
    LateUndone.id: Expected(RunStatus.TIMED_OUT, frozenset({"scope.finally.last"}), {"scope": StepStatus.SKIPPED}),
    Family.id: _all_succeed("end", without_effect=("each", *(f"each.{n}.child" for n in range(3)), "alone", "broken")),
    Unheard.id: Expected(
        RunStatus.SUCCEEDED,
        frozenset({"first", "amends"}),
        {"first": StepStatus.SUCCEEDED, "wait": StepStatus.FAILED, "amends": StepStatus.SUCCEEDED},
    ),
    Late.id: Expected(RunStatus.TIMED_OUT, frozenset(), {"never": StepStatus.SKIPPED}),
}
