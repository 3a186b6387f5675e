"""Why a run or step that is under way has not ended."""

from __future__ import annotations

import json
from datetime import timedelta

from floworch import Compensation, ForEach, Limit, Rate, RetryPolicy, Scope, Step, Until
from floworch.core.explain import Explanation, ReasonCode, UsedUp
from floworch.core.machine.commands import ResumeRun, StopRun, SuspendRun
from floworch.core.model.limits import Quota
from floworch.core.model.status import StopKind
from tests.unit.core.explain.running import CHILD, RUN, START, Run

MINUTE = timedelta(minutes=1)


def work(*after: str, **more: object) -> Step:
    return Step(type="Work", run_after=list(after), **more)  # type: ignore[arg-type]


def wait_for(*names: str, **more: object) -> Step:
    named = {"signalName": names[0]} if len(names) == 1 else {"signalNames": list(names)}
    return Step(type="WaitForSignal", inputs={**named, **more})


# -- ready


def test_a_ready_step_waits_for_a_worker() -> None:
    run = Run(a=work())
    run.pass_time(seconds=4)
    reason = run.why()
    assert (reason.code, reason.step_key, reason.since) == (ReasonCode.WORKER, "a", START)
    assert reason.sentence == "Step 'a' is ready since 2030-01-01T00:00:00Z (4 seconds ago), and a worker will take it."


def test_a_step_that_is_ready_for_long_waits_for_busy_workers_or_for_any() -> None:
    run = Run(a=work())
    run.pass_time(minutes=5)
    assert run.why().sentence.endswith("(5 minutes ago): the workers are busy with other steps.")
    reason = run.why(is_anybody_at_work=False)
    assert reason.code is ReasonCode.NO_WORKER
    assert "no worker seems to be alive" in reason.sentence


def test_a_type_without_a_handler_here_is_named() -> None:
    reason = Run(a=work()).why(accepts=lambda step_type: step_type != "Work")
    assert reason.code is ReasonCode.NO_HANDLER
    assert "this process has no handler for steps of type 'Work'" in reason.sentence


def test_a_child_flow_that_this_process_does_not_know_is_named() -> None:
    reason = Run(a=Step(type="RunFlow", inputs={"flow": "Pay"})).why(accepts=lambda _: False)
    assert reason.code is ReasonCode.NO_HANDLER
    assert "no handler for the flow 'Pay', which it starts" in reason.sentence


def test_a_flow_that_is_not_registered_here_is_named() -> None:
    reason = Run(a=work()).why(is_flow_known=False)
    assert reason.code is ReasonCode.UNKNOWN_FLOW
    assert "the flow 'Orders' is not registered in this process" in reason.sentence


def test_a_limit_that_is_used_up_is_told_with_how_much_runs() -> None:
    run = Run(a=work())
    full = UsedUp(Quota("key:orders", "acme"), Limit(concurrency=2), running=2)
    reason = run.why(limits={"a": [full]})
    assert (reason.code, reason.until) == (ReasonCode.LIMIT, None)
    assert (
        "nothing is left of the limit 'key:orders' for the key 'acme': it lets 2 attempts run at once."
        in reason.sentence
    )
    assert reason.details["limits"][0]["limit"] == {"concurrency": 2}


def test_a_rate_that_is_used_up_is_told_with_when_it_grants_again() -> None:
    run = Run(a=work())
    rate = UsedUp(Quota("type:mail"), Limit(rate=Rate(count=1, per_seconds=600)), 0, START + 4 * MINUTE)
    reason = run.why(limits={"a": [rate]})
    assert (reason.code, reason.until) == (ReasonCode.LIMIT, START + 4 * MINUTE)
    assert "the next start at 2030-01-01T00:04:00Z (in 4 minutes)" in reason.sentence


# -- running


def test_a_running_handler_is_told_with_its_worker_and_lease() -> None:
    run = Run(a=work())
    run.claim("a", "machine-7")
    run.pass_time(seconds=20)
    reason = run.why(records=run.leased("a", run.now + timedelta(seconds=12)), lease_seconds=30)
    assert reason.code is ReasonCode.HANDLER
    assert reason.sentence == (
        "The worker 'machine-7' runs attempt 1 of step 'a' since 2030-01-01T00:00:00Z (20 seconds ago); its lease is "
        "good until 2030-01-01T00:00:32Z (in 12 seconds)."
    )
    assert reason.details["worker"] == "machine-7"
    assert reason.details["heardOfAt"] == "2030-01-01T00:00:02+00:00"


def test_a_lease_that_ran_out_is_told() -> None:
    run = Run(a=work())
    run.claim("a")
    run.pass_time(minutes=3)
    reason = run.why(records=run.leased("a", START + MINUTE))
    assert reason.code is ReasonCode.LEASE_EXPIRED
    assert "its lease ran out at 2030-01-01T00:01:00Z (2 minutes ago)" in reason.sentence


def test_a_row_that_was_read_after_the_step_went_on_is_not_believed() -> None:
    run = Run(a=work())
    ready = run.leased("a", START)
    run.claim("a")
    run.pass_time(minutes=3)
    assert run.why(records=ready).code is ReasonCode.HANDLER


# -- parked


def test_a_retry_is_told_with_its_time_and_error() -> None:
    run = Run(a=work())
    run.fail("a", "no route", retry_after=240)
    reason = run.why()
    assert (reason.code, reason.since, reason.until) == (ReasonCode.RETRY, START, START + 4 * MINUTE)
    assert reason.sentence == (
        "Step 'a' waits to be tried again until 2030-01-01T00:04:00Z (in 4 minutes): attempt 1 failed: "
        "ValueError: no route."
    )


def test_a_timer_that_nobody_has_acted_on_is_told() -> None:
    run = Run(a=work())
    run.defer("a", 60)
    run.pass_time(minutes=3)
    reason = run.why()
    assert reason.code is ReasonCode.DEFERRED
    assert "until 2030-01-01T00:01:00Z (2 minutes ago), which no process has acted on yet" in reason.sentence


def test_a_poll_is_told_with_how_many_there_were() -> None:
    run = Run(a=Step(type="Poll", inputs={"pollIntervalSeconds": 5, "pollConditionPath": "done"}))
    run.defer("a", 5)
    reason = run.why()
    assert (reason.code, reason.details["polls"]) == (ReasonCode.POLL, 1)
    assert "1 poll since" in reason.sentence


def test_the_pause_of_an_until_is_told() -> None:
    run = Run(u=Until(until="@steps('x').output == 1", delay=30, steps={"x": work()}))
    run.succeed("u.0.x", 0)
    reason = run.why()
    assert (reason.code, reason.step_key, reason.until) == (ReasonCode.PAUSE, "u", START + timedelta(seconds=30))
    assert "before its iteration 1" in reason.sentence


# -- signals and children


def test_a_signal_is_told_with_its_limit() -> None:
    run = Run(a=wait_for("approved", timeoutSeconds=3600))
    run.pass_time(minutes=4)
    assert run.why().sentence == (
        "Step 'a' waits for the signal 'approved' since 2030-01-01T00:00:00Z (4 minutes ago); "
        "it gives up at 2030-01-01T01:00:00Z (in 56 minutes)."
    )


def test_a_quorum_is_told_with_what_has_come() -> None:
    run = Run(a=wait_for("vote", quorum=3))
    run.signal("vote")
    run.signal("vote")
    reason = run.why()
    assert reason.details == {
        "names": ["vote"], "mode": "one", "quorum": 3, "wanted": 3, "came": {"vote": 2},
    }  # fmt: skip
    assert "waits for 3 signals 'vote'" in reason.sentence
    assert "2 of 3 have come (2 'vote')" in reason.sentence


def test_signals_of_which_all_are_needed_are_told() -> None:
    run = Run(a=wait_for("paid", "packed", mode="all"))
    run.signal("packed")
    assert "waits for the signals 'paid' and 'packed'" in run.why().sentence
    assert "1 of 2 have come (1 'packed')" in run.why().sentence


def test_signals_that_the_step_does_not_take_do_not_count() -> None:
    run = Run(a=wait_for("n", quorum=2, schema={"type": "integer"}), b=wait_for("n", quorum=9))
    run.signal("n", "text")
    run.signal("n", 7)
    assert run.why("a").details["came"] == {"n": 1}
    assert run.why("b").details["came"] == {"n": 1}


def test_a_child_is_told_with_its_own_reason() -> None:
    run = Run(a=Step(type="RunFlow", inputs={"flow": "Pay"}))
    run.start_child("a")
    child = Explanation({"runId": str(CHILD)}, "Running", "The run of flow 'Pay' goes on. It waits for money.", [])
    reason = run.why(children={str(CHILD): child})
    assert (reason.code, reason.details["runId"]) == (ReasonCode.CHILD, str(CHILD))
    assert reason.sentence.startswith(f"Step 'a' waits for the run {CHILD} of flow 'Orders'")
    assert reason.sentence.endswith("It waits for money.")
    assert run.why().code is ReasonCode.CHILD


# -- the run


def test_a_run_is_told_by_what_holds_it_up_and_names_what_comes_then() -> None:
    run = Run(a=work(), b=wait_for("go"), c=work("a", "b"), d=work("c"))
    told = run.explain()
    assert run.codes() == [(ReasonCode.SIGNAL, "b"), (ReasonCode.WORKER, "a")]
    assert list(told.then) == ["c", "d"]
    assert told.sentence.startswith("The run of flow 'Orders' is under way. Step 'b' waits for the signal 'go'")
    assert told.sentence.endswith("1 other step holds it up as well.")
    assert told.about == {"runId": str(RUN)}


def test_reasons_without_end_are_counted() -> None:
    run = Run(a=ForEach(for_each="@range(0, 60)", concurrency_limit=60, steps={"x": work()}))
    told = run.explain()
    assert (len(told.reasons), told.left_off) == (50, 10)
    assert "59 other steps hold it up as well" in told.sentence


def test_a_stop_is_told_with_what_has_to_end_first() -> None:
    run = Run(a=work())
    run.claim("a")
    run.send(StopRun(StopKind.CANCELLED, "not wanted"))
    assert run.codes() == [(ReasonCode.STOPPING, None), (ReasonCode.HANDLER, "a")]
    sentence = run.explain().sentence
    assert "It is being cancelled since 2030-01-01T00:00:00Z" in sentence
    assert ": not wanted. It waits for 'a' to end." in sentence
    assert "has been asked to stop" in sentence


def test_a_deadline_that_nobody_has_acted_on_is_told() -> None:
    run = Run(deadline=START + MINUTE, a=wait_for("go"))
    run.pass_time(minutes=2)
    assert run.codes() == [(ReasonCode.OVERDUE, None), (ReasonCode.SIGNAL, "a")]


def test_a_suspension_is_told_with_who_and_why() -> None:
    run = Run(a=work(), b=work())
    run.claim("b")
    run.send(SuspendRun("stock-taking", by="ada"))
    assert run.codes() == [(ReasonCode.SUSPENDED, None), (ReasonCode.SUSPENDED, "a"), (ReasonCode.HANDLER, "b")]
    assert "It was suspended by ada at 2030-01-01T00:00:00Z (less than a second ago): stock-taking" in (
        run.explain().sentence
    )


def test_the_suspension_of_a_run_says_that_its_children_go_on() -> None:
    run = Run(a=Step(type="RunFlow", inputs={"flow": "Pay"}), b=work())
    assert "not suspended" not in _suspended(run)
    run.start_child("a")
    run.send(ResumeRun())
    assert "until it is resumed; runs that its steps wait for are not suspended with it." in _suspended(run)


def _suspended(run: Run) -> str:
    run.send(SuspendRun())
    return run.explain().sentence


def test_an_explanation_can_be_written_as_json() -> None:
    run = Run(a=wait_for("go"), b=work("a"))
    document = json.loads(json.dumps(run.explain().to_json()))
    assert (document["runId"], document["status"], document["then"]) == (str(RUN), "Running", ["b"])
    assert document["reasons"][0]["code"] == "signal"
    assert document["reasons"][0]["since"] == "2030-01-01T00:00:00+00:00"


# -- steps that have not begun


def test_a_step_waits_for_its_dependencies_and_for_what_they_wait_for() -> None:
    run = Run(a=work(), b=work("a"), c=work("b"))
    told = run.explain("c")
    assert told.status == "Waiting"
    assert run.codes("c") == [(ReasonCode.DEPENDENCY, "c"), (ReasonCode.WORKER, "a")]
    assert told.sentence.startswith("Step 'c' waits for 'b' (Waiting). Step 'a' is ready")
    assert told.reasons[0].details == {"waitsFor": ["b"], "accepts": {"b": ["Succeeded"]}}


def test_a_step_after_a_loop_waits_for_what_is_under_way_inside() -> None:
    run = Run(loop=ForEach(for_each=[1, 2], steps={"x": wait_for("go")}), after=work("loop"))
    assert run.codes("after") == [(ReasonCode.DEPENDENCY, "after"), (ReasonCode.SIGNAL, "loop.0.x")]
    assert run.codes("loop") == [(ReasonCode.INSIDE, "loop"), (ReasonCode.SIGNAL, "loop.0.x")]
    assert "0 of 2 iterations have ended" in run.why("loop").sentence


def test_an_iteration_that_has_not_begun_waits_for_those_before_it() -> None:
    run = Run(loop=ForEach(for_each=[1, 2, 3], steps={"x": work()}))
    assert run.codes("loop.2.x") == [(ReasonCode.ITERATION, "loop.2.x"), (ReasonCode.WORKER, "loop.0.x")]
    assert "1 of 3 iterations of 'loop' have begun, at most 1 at once" in run.why("loop.2.x").sentence
    assert "will not begin: 'loop' has 3 iterations" in run.why("loop.9.x").sentence


def test_a_step_inside_a_block_that_has_not_begun_waits_with_it() -> None:
    run = Run(a=work(), loop=ForEach(for_each=[1], run_after=["a"], steps={"x": work()}))
    assert run.codes("loop.0.x") == [
        (ReasonCode.BLOCK, "loop.0.x"), (ReasonCode.DEPENDENCY, "loop"), (ReasonCode.WORKER, "a"),
    ]  # fmt: skip


def test_a_branch_of_a_scope_that_has_not_begun_waits_for_the_others() -> None:
    charge = Step(type="Work", compensate=Compensation(type="Work"))
    run = Run(pay=Scope(steps={"charge": charge, "book": work("charge")}, catch={"tell": work()}))
    assert run.codes("pay.catch.tell") == [
        (ReasonCode.BLOCK, "pay.catch.tell"),
        (ReasonCode.WORKER, "pay.steps.charge"),
    ]
    assert run.codes("pay.compensate.charge")[0] == (ReasonCode.BLOCK, "pay.compensate.charge")
    run.succeed("pay.steps.charge")
    run.fail("pay.steps.book")
    assert run.codes() == [(ReasonCode.WORKER, "pay.compensate.charge")]
    assert "is at its 'compensate'" in run.why("pay.catch.tell").sentence


def test_an_until_between_two_iterations_is_told_to_the_next_one() -> None:
    run = Run(u=Until(until="@steps('x').output == 1", delay=30, steps={"x": work()}))
    run.succeed("u.0.x", 0)
    assert run.codes("u.1.x") == [(ReasonCode.ITERATION, "u.1.x"), (ReasonCode.PAUSE, "u")]
    assert run.codes("u") == [(ReasonCode.PAUSE, "u")]
    assert run.codes("u.0.x") == [(ReasonCode.SUCCEEDED, "u.0.x")]


def test_a_wait_that_will_be_tried_again_is_told_as_a_retry() -> None:
    wait = Step(
        type="WaitForSignal",
        inputs={"signalName": "go", "timeoutSeconds": 5},
        retry=RetryPolicy(max_attempts=2, backoff="fixed", initial=60, jitter=False),
    )
    run = Run(a=wait)
    run.pass_time(seconds=5)
    run.wake("a")
    assert run.why().code is ReasonCode.RETRY
    assert "SignalTimeout: no signal 'go' came within 5 seconds" in run.why().sentence
