"""Runs that go on by another version of their flow: what fits, what is planned anew, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.plan import FlowPlan
from floworch.core.machine.apply import apply, rebuild
from floworch.core.machine.commands import ClaimOffer, Command, MigrateRun, StepFailed, StepSucceeded, StopRun
from floworch.core.machine.reduce import reduce, start_run
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Transition
from floworch.core.model.manifest import Compensation, FlowManifest, ForEach, Scope, Step, Until
from floworch.core.model.payload import Payload
from floworch.core.model.records import StepError
from floworch.core.model.status import RunStatus, StepStatus, StopKind
from floworch.errors import AlreadyMigrated, InvalidTransition, MigrationRefused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FLOW = UUID(int=7)
OFFER = ClaimOffer("worker", 50, 30.0, lambda step_type, facts: True)


def plan_of(**steps: Any) -> FlowPlan:
    return compile_manifest(FLOW, "Flow", "2.0", FlowManifest(steps=steps))


def work(*after: str, **more: Any) -> Step:
    return Step(type="Work", run_after=list(after), **more)


class Run:
    """One run, whose steps start as soon as they are ready."""

    def __init__(self, **steps: Any) -> None:
        plan = plan_of(**steps)
        facts = RunFacts(UUID(int=1), FLOW, plan.manifest_hash, "manual", NOW)
        self.state, transition = start_run(facts, plan, None, NOW, {}, OFFER)
        apply(self.state, transition)

    def send(self, command: Command) -> Transition:
        transition = reduce(self.state, command, NOW + timedelta(seconds=1), _Payloads(), OFFER)
        apply(self.state, transition)
        assert plain_counters(self.state) == plain_counters(loaded(self.state)), "a process that loads it sees the same"
        return transition

    def succeed(self, *keys: str) -> None:
        for key in keys:
            self.send(StepSucceeded(key, self.state.steps[key].attempt, Payload.of(None)))

    def fail(self, key: str) -> None:
        self.send(StepFailed(key, self.state.steps[key].attempt, StepError("Boom", "boom")))

    def migrate(self, **steps: Any) -> Transition:
        return self.send(MigrateRun(plan_of(**steps), by="ann"))

    def problems(self, **steps: Any) -> tuple[str, ...]:
        with pytest.raises(MigrationRefused) as refused:
            self.migrate(**steps)
        return refused.value.problems

    @property
    def statuses(self) -> dict[str, StepStatus]:
        return {key: step.status for key, step in self.state.steps.items()}


class _Payloads(dict[Any, Any]):
    def __missing__(self, key: Any) -> None:
        return None

    def __contains__(self, key: object) -> bool:
        return True

    def get(self, key: Any, default: Any = None) -> Any:
        return None


def loaded(state: RunState) -> RunState:
    return rebuild(
        state.facts,
        state.plan,
        revision=state.revision,
        status=state.status,
        deadline=state.deadline,
        stop=state.stop,
        ended_at=state.ended_at,
        steps=dict(state.steps),
    )


def plain_counters(state: RunState) -> tuple[dict[str, int], dict[str, int]]:
    by_default = {key: len(step.run_after) for key, step in state.plan.root.steps.items()}
    return state.open_steps, {key: count for key, count in state.unmet.items() if count != by_default.get(key)}


RUNNING, DONE, SKIPPED = StepStatus.RUNNING, StepStatus.SUCCEEDED, StepStatus.SKIPPED


def test_the_run_is_pinned_to_the_other_version_and_its_history_says_who_did_it() -> None:
    run = Run(a=work(), b=work("a"))
    old = run.state.facts.manifest_hash
    transition = run.migrate(a=work(), b=work("a", inputs={"new": True}))
    new = run.state.plan.manifest_hash
    assert run.state.facts.manifest_hash == new != old
    [fact] = transition.facts
    assert fact == {"type": "run.migrated", "version": "2.0", "old": old, "new": new, "by": "ann"}


def test_steps_that_run_go_on_and_what_follows_is_that_of_the_new_version() -> None:
    run = Run(a=work(), b=work("a"))
    run.migrate(a=work(), b=work("a", inputs={"x": 1}), c=work("a"))
    assert run.statuses == {"a": RUNNING}
    run.succeed("a")
    assert run.statuses == {"a": DONE, "b": RUNNING, "c": RUNNING}


def test_a_new_step_without_dependencies_starts_with_the_migration() -> None:
    run = Run(a=work())
    run.migrate(a=work(), extra=work())
    assert run.statuses == {"a": RUNNING, "extra": RUNNING}


def test_a_new_step_behind_ended_ones_starts_with_the_migration() -> None:
    run = Run(a=work(), b=work("a"))
    run.succeed("a")
    run.migrate(a=work(), b=work("a"), c=work("a"))
    assert run.statuses == {"a": DONE, "b": RUNNING, "c": RUNNING}


def test_a_new_step_that_no_longer_can_run_is_skipped_with_all_that_needs_it() -> None:
    run = Run(a=work(), b=work())
    run.succeed("a")
    after_failure = Step(type="Work", run_after={"a": ["Failed"]})
    run.migrate(a=work(), b=work(), c=after_failure, d=work("c"))
    assert run.statuses == {"a": DONE, "b": RUNNING, "c": SKIPPED, "d": SKIPPED}
    run.succeed("b")
    assert run.state.status is RunStatus.SUCCEEDED


def test_dependencies_of_a_step_that_waits_are_counted_anew() -> None:
    run = Run(a=work(), b=work(), c=work("a", "b"))
    run.succeed("a")
    run.migrate(a=work(), b=work(), new=work(), c=work("a", "b", "new"))
    run.succeed("b")
    assert "c" not in run.state.steps
    run.succeed("new")
    assert run.state.steps["c"].status is RUNNING


def test_a_step_whose_last_open_dependency_is_gone_starts() -> None:
    run = Run(a=work(), b=work(), c=work("a", "b"), keep=work())
    run.succeed("a")
    run.migrate(a=work(), b=work(), c=work("a"), keep=work())
    assert run.state.steps["c"].status is RUNNING


def test_steps_that_are_gone_are_not_waited_for() -> None:
    run = Run(a=work(), b=work("a"), c=work("b"))
    run.migrate(a=work())
    run.succeed("a")
    assert run.state.status is RunStatus.SUCCEEDED
    assert run.statuses == {"a": DONE}


def test_a_scope_ends_without_steps_that_are_gone() -> None:
    late = Step(type="Delay", inputs={"seconds": 60})
    run = Run(pay=Scope(steps={"a": work(), "b": work(), "c": work("a", "b")}), after=work("pay"))
    run.succeed("pay.steps.a")
    run.migrate(pay=Scope(steps={"a": work(), "b": work()}), after=work("pay"), late=late)
    run.succeed("pay.steps.b")
    assert run.statuses["pay"] is DONE
    assert run.statuses["after"] is RUNNING


def test_branches_of_a_scope_that_have_not_begun_may_change() -> None:
    run = Run(pay=Scope(steps={"a": work()}))
    run.migrate(pay=Scope(steps={"a": work()}, catch={"fix": work()}, finally_={"tidy": work()}))
    run.fail("pay.steps.a")
    assert run.statuses["pay.catch.fix"] is RUNNING
    run.succeed("pay.catch.fix")
    assert run.statuses["pay.finally.tidy"] is RUNNING
    run.succeed("pay.finally.tidy")
    assert run.state.status is RunStatus.SUCCEEDED


def test_a_run_that_is_being_stopped_skips_what_is_new() -> None:
    run = Run(a=work())
    run.send(StopRun(StopKind.CANCELLED, "enough"))
    run.migrate(a=work(), b=work())
    assert run.statuses == {"a": RUNNING, "b": SKIPPED}
    run.succeed("a")
    assert run.state.status is RunStatus.CANCELLED


def test_a_loop_goes_on_with_other_inputs_and_limits() -> None:
    run = Run(loop=ForEach(for_each=[1, 2, 3], steps={"x": work()}))
    run.succeed("loop.0.x")
    run.migrate(loop=ForEach(for_each=[1], concurrency_limit=2, steps={"x": work(inputs={"n": 1})}))
    run.succeed("loop.1.x")
    assert [key for key in run.state.steps if key != "loop"] == ["loop.2.x"]
    run.succeed("loop.2.x")
    assert run.state.status is RunStatus.SUCCEEDED


def test_everything_that_does_not_fit_is_named() -> None:
    run = Run(gone=work(), other=work(), later=work("gone"), moved=work("gone"))
    run.succeed("gone")
    assert run.problems(other=Step(type="Play"), later=work("other"), moved=work("other", inputs={"a": 1})) == (
        "'gone' has begun, and the other version has no such step",
        "'other' has begun as Work, and is Play in the other version",
        "'later' has begun, and runs after other steps, or other outcomes of them, in the other version",
        "'moved' has begun, and runs after other steps, or other outcomes of them, in the other version",
    )


def test_the_body_of_a_loop_that_has_begun_keeps_its_shape() -> None:
    run = Run(loop=ForEach(for_each=[1, 2], steps={"x": work(), "y": work("x")}))
    run.succeed("loop.0.x", "loop.0.y")
    assert run.problems(loop=ForEach(for_each=[1, 2], steps={"x": work(), "z": work("x")})) == (
        "'loop.y' has begun, and the other version has no such step",
        "'loop.z' is new, and the steps beside it have begun, or ended, without it",
    )


def test_a_loop_that_has_not_begun_may_become_anything() -> None:
    run = Run(a=work(), loop=ForEach(for_each=[1], steps={"x": work()}, run_after=["a"]))
    run.migrate(a=work(), loop=Until(until="true", steps={"z": work()}, run_after=["a"]))
    run.succeed("a", "loop.0.z")
    assert run.state.status is RunStatus.SUCCEEDED


def test_a_block_of_another_kind_is_refused_once_it_has_begun() -> None:
    run = Run(loop=ForEach(for_each=[1], steps={"x": work()}))
    assert run.problems(loop=Until(until="true", steps={"x": work()})) == (
        "'loop' has begun as ForEach, and is Until in the other version",
    )


def test_steps_that_a_scope_has_done_already_keep_their_shape() -> None:
    undo = Compensation(type="Undo")
    run = Run(pay=Scope(steps={"a": work(compensate=undo), "b": work("a")}, finally_={"f": work()}))
    run.succeed("pay.steps.a", "pay.steps.b")
    assert run.problems(
        pay=Scope(steps={"a": work(compensate=undo), "b": work("a"), "c": work("b")}, finally_={"f": work()})
    ) == ("'pay.steps.c' is new, and the steps beside it have begun, or ended, without it",)


def test_compensations_that_are_due_must_still_be_there() -> None:
    undo = Compensation(type="Undo")
    run = Run(pay=Scope(steps={"a": work(compensate=undo), "b": work("a", compensate=undo), "c": work("b")}))
    run.succeed("pay.steps.a", "pay.steps.b")
    run.fail("pay.steps.c")
    assert run.problems(pay=Scope(steps={"a": work(), "b": work("a", compensate=undo), "c": work("b")})) == (
        "'pay' has to run 'pay.compensate.a', and the other version has no such compensation",
    )


def test_a_compensation_that_becomes_another_one_is_used_when_it_has_not_begun() -> None:
    run = Run(pay=Scope(steps={"a": work(compensate=Compensation(type="Undo")), "b": work("a")}))
    run.succeed("pay.steps.a")
    run.migrate(pay=Scope(steps={"a": work(compensate=Compensation(type="Better")), "b": work("a")}))
    transition = run.send(StepFailed("pay.steps.b", 1, StepError("Boom", "boom")))
    assert transition.steps["pay.compensate.a"].type == "Better"


def test_a_run_that_has_ended_is_not_migrated() -> None:
    run = Run(a=work())
    run.succeed("a")
    with pytest.raises(InvalidTransition, match="already ended Succeeded"):
        run.migrate(a=work(), b=work())


def test_a_run_that_goes_by_the_version_already_is_left_alone() -> None:
    run = Run(a=work())
    with pytest.raises(AlreadyMigrated, match="goes by this version already"):
        run.migrate(a=work())


def test_a_refusal_changes_nothing() -> None:
    run = Run(a=work(), b=work("a"))
    plan, facts = run.state.plan, run.state.facts
    run.problems(b=work())
    assert (run.state.plan, run.state.facts) == (plan, facts)
