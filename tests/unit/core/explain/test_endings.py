"""Why a step or run has ended as it has."""

from __future__ import annotations

from floworch import Compensation, ForEach, RunAfter, Scope, Step, StepStatus
from floworch.core.explain import ReasonCode
from floworch.core.machine.commands import StopRun
from floworch.core.model.status import StopKind
from tests.unit.core.explain.running import START, Run


def work(*after: str, **more: object) -> Step:
    return Step(type="Work", run_after=list(after), **more)  # type: ignore[arg-type]


def test_a_run_that_has_succeeded_says_so() -> None:
    run = Run(a=work())
    run.succeed("a")
    run.pass_time(hours=2)
    told = run.explain()
    assert told.status == "Succeeded"
    assert told.sentence == "The run of flow 'Orders' succeeded at 2030-01-01T00:00:00Z (2 hours ago)."
    assert [reason.code for reason in told.reasons] == [ReasonCode.SUCCEEDED]


def test_a_run_that_has_failed_names_the_step_and_its_error() -> None:
    run = Run(a=work(), b=work("a"))
    run.fail("a", "no money")
    assert run.codes() == [(ReasonCode.FAILED, None), (ReasonCode.FAILED, "a")]
    assert run.explain().sentence.endswith(
        "Step 'a' failed at 2030-01-01T00:00:00Z (less than a second ago): ValueError: no money."
    )
    assert run.explain().reasons[1].details == {"attempt": 1, "errorType": "ValueError", "error": "no money"}


def test_an_error_that_is_a_sentence_gets_no_second_full_stop() -> None:
    run = Run(a=work())
    run.fail("a", "no money.")
    assert run.explain().sentence.endswith("ValueError: no money.")
    assert run.explain("a").sentence.endswith("ValueError: no money.")


def test_a_failure_that_was_handled_is_not_blamed() -> None:
    run = Run(
        a=work(),
        on_error=Step(type="Work", run_after={"a": RunAfter(statuses=[StepStatus.FAILED])}),
        c=work("on_error"),
    )
    run.fail("a")
    run.succeed("on_error")
    run.fail("c")
    assert run.codes() == [(ReasonCode.FAILED, None), (ReasonCode.FAILED, "c")]


def test_a_failed_loop_is_followed_down_to_the_step_that_failed() -> None:
    run = Run(outer=ForEach(for_each=[1], steps={"inner": ForEach(for_each=[1, 2], steps={"x": work()})}))
    run.succeed("outer.0.inner.0.x")
    run.fail("outer.0.inner.1.x", "bad item")
    assert run.codes() == [(ReasonCode.FAILED, None), (ReasonCode.FAILED, "outer.0.inner.1.x")]
    assert run.codes("outer") == [(ReasonCode.FAILED, "outer"), (ReasonCode.FAILED, "outer.0.inner.1.x")]
    assert "ValueError: bad item" in run.explain().sentence


def test_what_could_not_be_undone_is_told_first() -> None:
    charge = Step(type="Work", compensate=Compensation(type="Work"))
    run = Run(pay=Scope(steps={"charge": charge, "book": work("charge")}))
    run.succeed("pay.steps.charge")
    run.fail("pay.steps.book")
    run.fail("pay.compensate.charge", "the bank is closed")
    reasons = run.codes()
    assert reasons[:2] == [(ReasonCode.FAILED, None), (ReasonCode.NOT_UNDONE, "pay.compensate.charge")]
    assert "Not everything is undone: step 'pay.compensate.charge' failed" in run.explain().sentence


def test_a_stopped_run_says_who_wanted_what() -> None:
    run = Run(a=work())
    run.send(StopRun(StopKind.CANCELLED, "not wanted"))
    assert run.codes() == [(ReasonCode.CANCELLED, None)]
    assert run.explain().sentence.startswith("The run of flow 'Orders' was cancelled at")
    assert run.explain().sentence.endswith(": not wanted.")
    assert run.codes("a") == [(ReasonCode.SKIPPED_BY_STOP, "a")]


def test_a_run_past_its_deadline_says_so() -> None:
    run = Run(deadline=START, a=work())
    run.send(StopRun(StopKind.TIMED_OUT))
    assert run.codes() == [(ReasonCode.TIMED_OUT, None)]


def test_a_skip_is_followed_back_to_what_it_began_with() -> None:
    run = Run(a=work(), b=work("a"), c=work("b"))
    run.fail("a")
    assert run.codes("c") == [
        (ReasonCode.SKIPPED_BY_DEPENDENCY, "c"), (ReasonCode.SKIPPED_BY_DEPENDENCY, "b"), (ReasonCode.FAILED, "a"),
    ]  # fmt: skip
    reason = run.why("c")
    assert reason.details == {
        "reason": "'b' ended Skipped", "dependency": "b", "ended": "Skipped", "accepts": ["Succeeded"],
    }  # fmt: skip
    assert "'b' ended Skipped, and it runs after that one Succeeded" in reason.sentence


def test_a_false_condition_is_told_with_what_it_came_to() -> None:
    run = Run(body={"n": 3}, a=work(when="@triggerBody().n > 5"), b=work("a"))
    assert run.codes() == [
        (ReasonCode.SKIPPED_INSIDE, None),
        (ReasonCode.SKIPPED_BY_DEPENDENCY, "b"),
        (ReasonCode.SKIPPED_BY_CONDITION, "a"),
    ]
    reason = run.why("a")
    assert "the condition '@triggerBody().n > 5' is false: 3 > 5" in reason.sentence
    assert [condition["result"] for condition in reason.details["conditions"]] == [False]


def test_a_handler_that_skips_its_step_is_told() -> None:
    run = Run(a=work())
    run.skip("a", "nothing to do")
    assert run.codes("a") == [(ReasonCode.SKIPPED_BY_HANDLER, "a")]
    assert "nothing to do" in run.why("a").sentence


def test_a_loop_whose_iterations_were_all_skipped_is_told() -> None:
    run = Run(loop=ForEach(for_each=[1], steps={"x": work(when="@item() > 5")}))
    assert run.codes("loop") == [(ReasonCode.SKIPPED_INSIDE, "loop")]
    assert run.codes("loop.0.x") == [(ReasonCode.SKIPPED_BY_CONDITION, "loop.0.x")]


def test_what_an_ended_block_has_not_come_to_was_never_begun() -> None:
    run = Run(pay=Scope(steps={"x": work()}, catch={"tell": work()}))
    run.succeed("pay.steps.x")
    assert run.codes("pay.catch.tell") == [(ReasonCode.NEVER_BEGUN, "pay.catch.tell"), (ReasonCode.SUCCEEDED, "pay")]


def test_the_attempt_is_told_where_there_were_several() -> None:
    run = Run(a=work())
    run.fail("a", retry_after=1)
    run.pass_time(seconds=1)
    run.wake("a")
    run.succeed("a")
    assert run.why("a").sentence.endswith("in attempt 2.")
