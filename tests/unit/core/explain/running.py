"""One run of the machine, to be explained at any moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from floworch import FlowManifest, ManualTrigger
from floworch.core.dag.compile import compile_manifest
from floworch.core.explain import Explanation, Reason, ReasonCode, Situation, explain_run, explain_step
from floworch.core.machine.apply import apply, claim_step
from floworch.core.machine.commands import (
    ChildStart,
    Command,
    SignalReceived,
    StartChild,
    StepDeferred,
    StepFailed,
    StepSkipped,
    StepSucceeded,
    TimerFired,
)
from floworch.core.machine.environment import PayloadsNeeded
from floworch.core.machine.reduce import reduce, start_run
from floworch.core.machine.state import ParentStep, RunFacts, StepState
from floworch.core.machine.transition import Transition
from floworch.core.model.payload import Payload, PayloadKind, PayloadRef
from floworch.core.model.records import StepError, StepRecord

__all__ = ["CHILD", "RUN", "START", "Run"]

START = datetime(2030, 1, 1, tzinfo=UTC)
RUN, CHILD = UUID(int=2), UUID(int=3)


class Run:
    """``steps`` are those of the flow. ``rows`` has them all, also those that are put away."""

    def __init__(self, body: Any = None, deadline: datetime | None = None, **steps: Any) -> None:
        manifest = FlowManifest(triggers={"manual": ManualTrigger()}, steps=steps)
        self.plan = compile_manifest(UUID(int=1), "Orders", "1", manifest, frozenset({"poll"}))
        self.now = START
        self.payloads: dict[PayloadRef, Payload | None] = {PayloadRef(PayloadKind.BODY): Payload.of(body)}
        self.rows: dict[str, StepState] = {}
        self.traces: dict[str, Any] = {}
        self.errors: dict[str, StepError] = {}
        facts = RunFacts(RUN, UUID(int=1), manifest.content_hash, "manual", START)
        self.state, transition = start_run(facts, self.plan, deadline, START, self.payloads)
        self._apply(transition)

    def send(self, command: Command) -> None:
        while True:
            try:
                transition = reduce(self.state, command, self.now, self.payloads)
            except PayloadsNeeded as needed:
                self.payloads.update({ref: self.payloads.get(ref) for ref in needed.refs})
            else:
                self._apply(transition)
                return

    def claim(self, key: str, worker: str = "w1") -> int:
        """Start the ready step; returns the attempt."""
        state = self.rows[key] = claim_step(self.state, key, worker, self.now)
        return state.attempt

    def succeed(self, key: str, output: Any = None) -> None:
        self.send(StepSucceeded(key, self.claim(key), Payload.of(output)))

    def fail(self, key: str, message: str = "boom", retry_after: float | None = None) -> None:
        after = None if retry_after is None else timedelta(seconds=retry_after)
        self.send(StepFailed(key, self.claim(key), StepError("ValueError", message), after))

    def defer(self, key: str, seconds: float) -> None:
        self.send(StepDeferred(key, self.claim(key), timedelta(seconds=seconds)))

    def skip(self, key: str, reason: str) -> None:
        self.send(StepSkipped(key, self.claim(key), reason))

    def signal(self, name: str, payload: Any = None) -> None:
        self.send(SignalReceived(UUID(int=100 + len(self.payloads)), name, Payload.of(payload)))

    def start_child(self, key: str) -> None:
        attempt = self.claim(key)
        facts = RunFacts(
            CHILD, UUID(int=1), "hash", "manual", self.now, parent=ParentStep(RUN, key, attempt, waits=True, depth=1)
        )
        self.send(StartChild(key, attempt, ChildStart(facts, self.plan, None, None, None), "fail"))

    def wake(self, key: str) -> None:
        self.send(TimerFired(key, self.rows[key].attempt))

    def pass_time(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def explain(
        self, key: str | None = None, *, accepts: Callable[[str], bool] = lambda _: True, **more: Any
    ) -> Explanation:
        """As the shell does it: with every row at hand."""
        situation = Situation(
            state=self.state,
            now=self.now,
            accepts=accepts,
            put_away={key: row for key, row in self.rows.items() if key not in self.state.steps},
            records={key: self._record(key) for key in self.rows} | more.pop("records", {}),
            payloads=self.payloads,
            **more,
        )
        return explain_run(situation) if key is None else explain_step(situation, key)

    def why(self, key: str | None = None, **more: Any) -> Reason:
        """The reason that is told first."""
        return self.explain(key, **more).reasons[0]

    def codes(self, key: str | None = None, **more: Any) -> list[tuple[ReasonCode, str | None]]:
        """Every reason, by code and step."""
        return [(reason.code, reason.step_key) for reason in self.explain(key, **more).reasons]

    def _record(self, key: str, lease_until: datetime | None = None) -> StepRecord:
        state = self.rows[key]
        error = self.errors.get(key)
        return StepRecord(
            key=key,
            type="Work",
            status=state.status,
            attempt=state.attempt,
            lease_until=lease_until,
            trace=self.traces.get(key),
            error=None if error is None else error.to_json(),
        )

    def leased(self, key: str, until: datetime) -> dict[str, StepRecord]:
        """The row of a running step with its lease."""
        return {key: self._record(key, until)}

    def _apply(self, transition: Transition) -> None:
        apply(self.state, transition)
        self.payloads.update(transition.payloads)
        for key in () if transition.rarities is None else transition.rarities.removed:
            self.rows.pop(key, None)
        for key, change in transition.steps.items():
            self.rows[key] = change.state
            self.traces[key], self.errors[key] = change.trace, change.error  # type: ignore[assignment]
