"""Steps that wait for signals: which signal goes to which step, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from floworch import FlowManifest, ForEach, ManualTrigger, RetryPolicy, Step, StepStatus
from floworch.core.dag.compile import compile_manifest
from floworch.core.machine.apply import apply
from floworch.core.machine.commands import Command, RetryStep, SignalReceived, StopRun, TimerFired
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.history import fold
from floworch.core.machine.reduce import Fenced, SignalKnown, reduce, start_run
from floworch.core.machine.state import RunFacts, RunState
from floworch.core.machine.transition import Fact, Transition
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.status import RunStatus, StopKind
from floworch.errors import SignalNotExpected, SignalRefused

START = datetime(2030, 1, 1, tzinfo=UTC)


class Run:
    """One run of the machine, with a store of its payloads."""

    def __init__(self, body: Any = None, **steps: Any) -> None:
        manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps)
        self.plan = compile_manifest(UUID(int=1), "Flow", "1", manifest)
        self.now = START
        self.payloads: dict[PayloadRef, Payload | None] = {PayloadRef(PayloadKind.BODY): Payload.of(body)}
        self.facts: list[Fact] = []
        self.sent = 0
        facts = RunFacts(UUID(int=2), UUID(int=1), manifest.content_hash, "manual", START)
        self.state, transition = start_run(facts, self.plan, None, START, self.payloads)
        self._apply(transition)

    def send(self, command: Command) -> Transition:
        while True:
            try:
                transition = reduce(self.state, command, self.now, self.payloads)
            except PayloadsNeeded as needed:
                self.payloads.update({ref: self.payloads.get(ref) for ref in needed.refs})
            else:
                self._apply(transition)
                return transition

    def signal(self, name: str, payload: Any = None, *, key: str | None = None) -> str | None:
        """The step that the signal went to."""
        self.sent += 1
        command = SignalReceived(UUID(int=self.sent), name, Payload.of(payload), key)
        [signal] = self.send(command).rarities.signals  # type: ignore[union-attr]
        return signal.waiter

    def wait(self, key: str, seconds: float) -> None:
        """Let time pass, then let the step's timer fire."""
        self.now += timedelta(seconds=seconds)
        self.send(TimerFired(key, self.state.steps[key].attempt))

    def status(self, key: str) -> StepStatus:
        return self.state.steps[key].status

    def output(self, key: str) -> Any:
        payload = self.payloads[PayloadRef(PayloadKind.OUTPUT, key)]
        assert payload is not None
        return payload.value

    def error(self, key: str) -> Mapping[str, Any]:
        payload = self.payloads[PayloadRef(PayloadKind.ERROR, key)]
        assert payload is not None
        value: Mapping[str, Any] = payload.value
        return value

    @property
    def open_signals(self) -> list[str]:
        mailbox = self.state.mailbox
        return [] if mailbox is None else sorted(name for name, found in mailbox.open.items() for _ in found)

    def _apply(self, transition: Transition) -> None:
        apply(self.state, transition)
        self.payloads.update(transition.payloads)
        self.facts += transition.facts
        assert fold(self.facts).signals == _told(self.state)


def _told(state: RunState) -> dict[str, str | None]:
    return {} if state.mailbox is None else {str(one.id): one.taken_by for one in state.mailbox.known.values()}


def wait_for(*names: str, **more: Any) -> Step:
    inputs = {"signalName": names[0]} if len(names) == 1 else {"signalNames": list(names)}
    settings = {name: more.pop(name) for name in ("run_after", "retry", "when") if name in more}
    return Step(type="WaitForSignal", inputs=inputs | more, **settings)


def test_a_signal_completes_the_step_that_waits_for_it() -> None:
    run = Run(a=wait_for("approved"))
    assert (run.status("a"), run.state.steps["a"].due_at) == (StepStatus.PENDING, None)
    assert run.signal("approved", {"by": "Ada"}) == "a"
    assert run.output("a") == {"by": "Ada"}
    assert run.state.status is RunStatus.SUCCEEDED


def test_a_signal_that_comes_first_is_kept_for_the_step() -> None:
    run = Run(a=wait_for("go"), b=wait_for("approved", run_after=["a"]))
    assert run.signal("approved", 1) is None
    assert run.open_signals == ["approved"]
    assert run.signal("go") == "a"
    assert run.output("b") == 1
    assert run.open_signals == []


def test_names_are_compared_exactly() -> None:
    run = Run(a=wait_for("approved"))
    assert run.signal("Approved") is None
    assert run.signal("approved ") is None
    assert run.status("a") is StepStatus.PENDING


def test_the_name_is_default_unless_the_step_has_one() -> None:
    run = Run(a=Step(type="waitforsignal"))
    assert run.signal("default") == "a"


def test_a_signal_goes_to_the_step_that_has_waited_longest_then_to_the_first_of_the_manifest() -> None:
    run = Run(go=wait_for("go"), z=wait_for("vote", run_after=["go"]), c=wait_for("vote"), b=wait_for("vote"))
    run.now += timedelta(seconds=1)
    run.signal("go")
    assert [run.signal("vote", number) for number in range(3)] == ["c", "b", "z"]


def test_a_quorum_takes_that_many_signals_at_once() -> None:
    run = Run(a=wait_for("vote", quorum=3))
    assert [run.signal("vote", vote) for vote in ("yes", "no")] == ["a", "a"]
    assert run.status("a") is StepStatus.PENDING
    assert run.signal("vote", "yes") == "a"
    assert run.output("a") == ["yes", "no", "yes"]


def test_what_is_beyond_the_quorum_stays_for_others() -> None:
    run = Run(a=wait_for("vote", quorum=2), b=wait_for("vote"))
    assert [run.signal("vote", number) for number in range(3)] == ["a", "a", "b"]
    assert run.output("a") == [0, 1]


@pytest.mark.parametrize(
    ("inputs", "sent", "output"),
    [
        ({"mode": "any"}, [("y", 1)], {"name": "y", "payload": 1}),
        ({}, [("x", 2)], {"name": "x", "payload": 2}),
        ({"quorum": 2}, [("y", 1), ("x", 2)], [{"name": "y", "payload": 1}, {"name": "x", "payload": 2}]),
        ({"mode": "all"}, [("y", 1), ("x", 2)], {"x": 2, "y": 1}),
        ({"mode": "all", "quorum": 2}, [("y", 1), ("y", 2), ("x", 3), ("x", 4)], {"x": [3, 4], "y": [1, 2]}),
    ],
)
def test_several_names_are_any_or_all_of_them(inputs: dict[str, Any], sent: list[tuple[str, Any]], output: Any) -> None:
    run = Run(a=wait_for("x", "y", **inputs))
    for name, payload in sent:
        assert run.status("a") is StepStatus.PENDING
        assert run.signal(name, payload) == "a"
    assert run.output("a") == output


def test_names_and_time_limit_may_be_expressions() -> None:
    names = {"signalName": "@concat('order-', triggerBody().id)", "timeoutSeconds": "@triggerBody().seconds"}
    run = Run({"id": 7, "seconds": 60}, a=Step(type="WaitForSignal", inputs=names))
    assert run.state.steps["a"].due_at == START + timedelta(seconds=60)
    assert run.signal("order-7") == "a"


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({"signalName": "@triggerBody().nothing"}, "BadWait"),
        ({"signalNames": "@triggerBody().text"}, "BadWait"),
        ({"timeoutSeconds": "@triggerBody().text"}, "BadWait"),
        ({"timeoutSeconds": "@triggerBody().less"}, "BadWait"),
        ({"signalName": "@length(triggerBody().number)"}, "ExpressionError"),
    ],
)
def test_a_wait_for_what_nobody_can_wait_for_fails(inputs: dict[str, Any], error: str) -> None:
    run = Run({"text": "soon", "number": 5, "less": -5}, a=Step(type="WaitForSignal", inputs=inputs))
    assert run.error("a")["type"] == error
    assert run.state.status is RunStatus.FAILED


def test_a_wait_that_takes_too_long_fails_and_leaves_in_the_mailbox_what_had_come() -> None:
    run = Run(a=wait_for("x", "y", mode="all", timeoutSeconds=10))
    run.signal("y")
    run.wait("a", 10)
    assert run.error("a")["type"] == "SignalTimeout"
    assert run.error("a")["message"] == ("no signal 'x' and 'y' came within 10 seconds; what came: 0 of 'x', 1 of 'y'")
    assert run.open_signals == ["y"]


def test_what_a_wait_gives_up_goes_to_the_next_one_at_once() -> None:
    run = Run(a=wait_for("x", quorum=2, timeoutSeconds=10), b=wait_for("x"))
    assert run.signal("x", 1) == "a"
    run.wait("a", 10)
    assert run.output("b") == 1


@pytest.mark.parametrize("seconds", [0, None])
def test_no_time_limit_is_no_timer(seconds: float | None) -> None:
    run = Run(a=wait_for("x", timeoutSeconds=seconds))
    with pytest.raises(Fenced):
        run.wait("a", 1e9)


def test_a_retried_wait_starts_afresh() -> None:
    retry = RetryPolicy(max_attempts=2, backoff="fixed", initial=5, jitter=False)
    run = Run(a=wait_for("x", timeoutSeconds=10, retry=retry))
    run.wait("a", 10)
    assert (run.status("a"), run.state.steps["a"].due_at) == (StepStatus.PENDING, run.now + timedelta(seconds=5))
    assert run.signal("x", "early") is None
    run.wait("a", 5)
    assert run.output("a") == "early"
    assert run.state.steps["a"].attempt == 2


def test_a_wait_that_is_retried_by_hand_takes_what_came_meanwhile() -> None:
    run = Run(a=wait_for("x", timeoutSeconds=10), b=wait_for("y", run_after=["a"]), c=wait_for("z"))
    run.wait("a", 10)
    run.signal("x", 1)
    run.signal("y", 2)
    run.send(RetryStep("a"))
    assert (run.output("a"), run.output("b")) == (1, 2)
    assert run.state.steps["a"].attempt == 2


def test_a_stopped_run_waits_no_longer() -> None:
    run = Run(a=wait_for("x"))
    run.send(StopRun(StopKind.CANCELLED))
    assert run.status("a") is StepStatus.SKIPPED
    with pytest.raises(SignalNotExpected, match="has already ended Cancelled"):
        run.signal("x")


def test_a_signal_is_taken_once_by_its_deduplication_id() -> None:
    run = Run(a=wait_for("x"), b=wait_for("x"))
    run.signal("x", 1, key="one")
    with pytest.raises(SignalKnown) as known:
        run.signal("x", 2, key="one")
    assert known.value.letter.taken_by == "a"
    assert run.status("b") is StepStatus.PENDING
    run.signal("x", 3, key="two")
    with pytest.raises(SignalKnown):
        run.signal("x", 4, key="two")


SCHEMA = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "number"}}}


def test_a_payload_that_no_step_takes_is_refused_also_before_the_step_begins() -> None:
    run = Run(go=wait_for("go"), a=wait_for("pay", schema=SCHEMA, run_after=["go"]))
    with pytest.raises(SignalRefused, match=r"step 'a': \$: 'amount' is a required property"):
        run.signal("pay", {})
    assert run.signal("pay", {"amount": 3}) is None


def test_a_step_is_given_only_payloads_that_its_schema_allows() -> None:
    run = Run(a=wait_for("pay", schema=SCHEMA), b=wait_for("pay"))
    assert run.signal("pay", "cash") == "b"
    assert run.signal("pay", {"amount": 1}) == "a"


def test_the_schema_of_a_step_whose_name_is_an_expression_counts_while_it_waits() -> None:
    inputs = {"signalName": "@triggerBody()", "schema": SCHEMA}
    run = Run("pay", a=Step(type="WaitForSignal", inputs=inputs))
    with pytest.raises(SignalRefused):
        run.signal("pay", 1)


def test_iterations_of_a_loop_take_signals_in_their_order() -> None:
    loop = ForEach(for_each=[0, 1, 2], concurrency_limit=2, steps={"w": wait_for("x")})
    run = Run(loop=loop)
    assert [run.signal("x", number) for number in range(3)] == ["loop.0.w", "loop.1.w", "loop.2.w"]
    assert run.state.status is RunStatus.SUCCEEDED


def test_waits_in_each_iteration_take_their_own_names() -> None:
    loop = ForEach(for_each=["p", "q"], concurrency_limit=2, steps={"w": wait_for("@item()")})
    run = Run(loop=loop)
    assert run.signal("q") == "loop.1.w"
    assert run.signal("p") == "loop.0.w"
