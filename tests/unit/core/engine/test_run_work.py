"""What a batch does to one run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from floworch import FlowManifest, ManualTrigger, Step
from floworch.core.dag.compile import compile_manifest
from floworch.core.engine.batch import RunWork, start_work
from floworch.core.engine.reply import Reply
from floworch.core.engine.requests import Commanding, Starting
from floworch.core.machine.commands import ClaimOffer, ClaimStep, StepSucceeded
from floworch.core.machine.state import ParentStep, RunFacts
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import Payload
from floworch.core.model.status import RunStatus, StepStatus

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OFFER = ClaimOffer("w", 10, 30.0, lambda step_type, facts: True)
"""More than a worker asks for, so that one of the tests can start two steps at once."""
FACTS = RunFacts(
    *(UUID(int=1), UUID(int=2), "hash", "manual", NOW),
    priority=7,
    parent=ParentStep(UUID(int=3), "call", 1, waits=True, depth=1),
    concurrency_key="k",
)
LARGE = Payload('"' + "x" * 200_000 + '"')


def started(offer: ClaimOffer | None = OFFER, **steps: Step) -> RunWork:
    manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps)
    plan = compile_manifest(FACTS.flow_id, "orders", "1.2", manifest)
    deadline = NOW + timedelta(hours=1)
    return start_work(Starting(FACTS, plan, deadline, Payload("1"), Payload("{}"), offer, Reply()), NOW)


def after(work: RunWork) -> RunWork:
    """The next batch."""
    work.committed()
    return RunWork(work.run)


def tell(work: RunWork, command: StepSucceeded | ClaimStep) -> Transition:
    request = Commanding(FACTS.run_id, command, OFFER, Reply())
    return work.reduce(request, command, OFFER, {}, NOW)


def test_every_value_of_a_new_run_is_written_where_it_belongs() -> None:
    work = started(a=Step(type="Work"))
    written = work.creation("w", NOW)
    assert (written.run_id, written.flow_id, written.owner, written.at) == (FACTS.run_id, FACTS.flow_id, "w", NOW)
    assert (written.status, written.deadline) == (RunStatus.RUNNING, NOW + timedelta(hours=1))
    assert (written.stop, written.ended_at, written.tells_end, written.rare) == (None, None, None, None)
    assert (written.priority, written.concurrency_key, written.only_with) == (7, "k", UUID(int=3))
    assert (written.facts_of_run, written.flow_name, written.flow_version) == (FACTS, "orders", "1.2")
    assert (written.body, written.headers) == (Payload("1"), Payload("{}"))
    assert (written.steps["a"].type, written.steps["a"].lease_seconds) == ("Work", 30.0)
    assert [fact["type"] for fact in written.facts] == ["run.started", "step.started"]


def test_every_value_of_an_advance_is_written_where_it_belongs() -> None:
    work = after(started(a=Step(type="Work")))
    tell(work, StepSucceeded("a", 1, Payload("2")))
    written = work.advance("w", NOW)
    assert (written.expected_revision, written.changes_run, written.tells_end) == (1, True, None)
    assert (written.status, written.ended_at, written.owner) == (RunStatus.SUCCEEDED, NOW, "w")
    assert written.rare is not None
    assert written.rare.tells_parent
    assert [fact["type"] for fact in written.facts] == ["step.completed", "run.completed"]


def test_decisions_of_one_batch_are_written_as_one_and_change_the_cached_run_only_with_the_commit() -> None:
    work = after(started(offer=None, a=Step(type="Work"), b=Step(type="Work")))
    before = dict(work.run.state.steps)
    tell(work, ClaimStep("a", 0))
    tell(work, StepSucceeded("a", 1, Payload("2")))
    tell(work, ClaimStep("b", 0))
    assert work.run.state.steps == before
    written = work.advance("w", NOW)
    assert written.steps["a"].before == before["a"]
    assert {key: change.state.status for key, change in written.steps.items()} == {
        "a": StepStatus.SUCCEEDED,
        "b": StepStatus.RUNNING,
    }
    work.committed()
    assert work.run.state.revision == 2
    assert {key: step.status for key, step in work.run.state.steps.items()} == {
        "a": StepStatus.SUCCEEDED,
        "b": StepStatus.RUNNING,
    }


def test_a_decision_reads_what_another_one_of_its_batch_has_written_however_large() -> None:
    last = Step(type="Work", run_after=["a", "b"], when="@steps('a').output != 'y'")
    work = after(started(a=Step(type="Work"), b=Step(type="Work"), last=last))
    tell(work, StepSucceeded("a", 1, LARGE))
    assert tell(work, StepSucceeded("b", 1, Payload("2"))).claimed == ("last",)
