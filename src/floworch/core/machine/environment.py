"""A run as the expressions of one of its steps see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol, TypeAlias

from floworch.core.dag.keys import (
    CATCH,
    COMPENSATE,
    FINALLY,
    child_key,
    enclosing_scopes,
    own_key,
    scope_of,
    scopes_in_sight,
    split_iteration,
    split_scope,
)
from floworch.core.dag.lookup import find_step, scope_plan
from floworch.core.dag.plan import BlockPlan, FlowPlan, LoopPlan, StepPlan, UntilPlan
from floworch.core.expressions import Reference, Source
from floworch.core.machine.block_output import has_own_output, output_of, output_refs
from floworch.core.machine.progress import GroupProgress
from floworch.core.machine.state import RunFacts, StepState
from floworch.core.model.payload import Json, Payload, PayloadKind, PayloadRef
from floworch.core.model.status import StepStatus

__all__ = ["Payloads", "PayloadsNeeded", "RunEnvironment", "RunView"]

Payloads: TypeAlias = Mapping[PayloadRef, Payload | None]
"""Payloads at hand; None for one that does not exist."""


class PayloadsNeeded(Exception):
    """A decision reads payloads that were not given. Load them and decide again."""

    def __init__(self, refs: frozenset[PayloadRef]) -> None:
        self.refs = refs
        super().__init__(f"{len(refs)} payloads needed")


class RunView(Protocol):
    @property
    def facts(self) -> RunFacts: ...
    @property
    def plan(self) -> FlowPlan: ...
    def step(self, key: str) -> StepState | None: ...


class RunEnvironment:
    """Answers the references in the expressions of the step ``step_key``, from the innermost scope outwards."""

    __slots__ = ("_now", "_payloads", "_scope", "_view")

    def __init__(self, view: RunView, step_key: str, payloads: Payloads, now: datetime) -> None:
        self._view = view
        self._scope = scope_of(step_key)
        self._payloads = payloads
        self._now = now

    def require(self, references: Iterable[Reference]) -> None:
        """Raise :class:`PayloadsNeeded` naming everything that is not at hand."""
        missing = frozenset(
            ref for reference in references for ref in self._payloads_of(reference) if ref not in self._payloads
        )
        if missing:
            raise PayloadsNeeded(missing)

    @property
    def now(self) -> datetime:
        return self._now

    def trigger_body(self) -> Json:
        return self._value(PayloadRef(PayloadKind.BODY))

    def trigger_headers(self) -> Mapping[str, str]:
        return self._value(PayloadRef(PayloadKind.HEADERS)) or {}

    def trigger(self) -> Mapping[str, Json]:
        facts = self._view.facts
        scheduled_at = facts.scheduled_at.isoformat() if facts.scheduled_at else None
        return {"key": facts.trigger_key, "startedAt": facts.started_at.isoformat(), "scheduledAt": scheduled_at}

    def run(self) -> Mapping[str, Json]:
        facts = self._view.facts
        source = str(facts.source_run_id) if facts.source_run_id else None
        parent = str(facts.parent.run_id) if facts.parent else None
        started_at = facts.started_at.isoformat()
        return {"id": str(facts.run_id), "startedAt": started_at, "sourceRunId": source, "parentRunId": parent}

    def flow(self) -> Mapping[str, Json]:
        plan = self._view.plan
        return {"id": str(plan.flow_id), "name": plan.flow_name, "version": plan.version}

    def variable(self, name: str) -> str | None:
        """None: the planner decides the same everywhere, and variables differ between workers."""
        return None

    def result(self) -> Json:
        """None: the planner sees no handler's result before it is the step's output."""
        return None

    def failure(self) -> Mapping[str, Json] | None:
        ref = self._failure_ref()
        error = None if ref is None else self._value(ref)
        if ref is None or error is None:
            return None
        return {"step": own_key(ref.step_key), "type": error["type"], "message": error["message"]}

    def step_output(self, key: str) -> Json:
        ref = self._ref_if(key, StepStatus.SUCCEEDED, PayloadKind.OUTPUT)
        if ref is None:
            return None
        block = self._block(ref.step_key)
        return self._value(ref) if block is None else output_of(block, ref.step_key, self._payloads)

    def step_status(self, key: str) -> str | None:
        step = self._step(self._run_time_key(key))
        return None if step is None else str(step.status)

    def step_error(self, key: str) -> Mapping[str, Json] | None:
        ref = self._ref_if(key, StepStatus.FAILED, PayloadKind.ERROR)
        return None if ref is None else self._value(ref)

    def item(self, loop: str | None) -> Json:
        loop_key, index = self._iteration(loop, (LoopPlan,))
        return self._value(PayloadRef(PayloadKind.ITEMS, loop_key))[index]

    def index(self, loop: str | None) -> int:
        return self._iteration(loop, (LoopPlan, UntilPlan))[1]

    def _payloads_of(self, reference: Reference) -> Iterable[PayloadRef]:
        match reference.source:
            case Source.TRIGGER_BODY:
                return (PayloadRef(PayloadKind.BODY),)
            case Source.TRIGGER_HEADERS:
                return (PayloadRef(PayloadKind.HEADERS),)
            case Source.STEP_OUTPUT:
                return self._output_refs(reference.name or "")
            case Source.STEP_ERROR:
                ref = self._ref_if(reference.name or "", StepStatus.FAILED, PayloadKind.ERROR)
                return () if ref is None else (ref,)
            case Source.FAILURE:
                ref = self._failure_ref()
                return () if ref is None else (ref,)
            case Source.ITEM:
                return (PayloadRef(PayloadKind.ITEMS, self._iteration(reference.name, (LoopPlan,))[0]),)
            case _:
                return ()

    def _output_refs(self, key: str) -> Iterable[PayloadRef]:
        ref = self._ref_if(key, StepStatus.SUCCEEDED, PayloadKind.OUTPUT)
        if ref is None:
            return ()
        block = self._block(ref.step_key)
        return (ref,) if block is None else output_refs(block, ref.step_key, self._payloads)

    def _block(self, run_time_key: str) -> StepPlan | None:
        """The step, if its output has to be put together."""
        step = find_step(self._view.plan, run_time_key)
        return None if step is None or has_own_output(step) else step

    def _ref_if(self, key: str, status: StepStatus, kind: PayloadKind) -> PayloadRef | None:
        run_time_key = self._run_time_key(key)
        step = self._step(run_time_key)
        return PayloadRef(kind, run_time_key) if step is not None and step.status is status else None

    def _step(self, run_time_key: str) -> StepState | None:
        return self._view.step(run_time_key)

    def _run_time_key(self, key: str) -> str:
        for scope in scopes_in_sight(self._scope):
            if key in scope_plan(self._view.plan, scope).steps:
                return child_key(scope, key)
        return key

    def _failure_ref(self) -> PayloadRef | None:
        """The error that the scope around deals with, if that has failed."""
        blocks = (split_scope(scope) for scope in filter(None, enclosing_scopes(self._scope)))
        key = next((key for key, branch in blocks if branch in (COMPENSATE, CATCH, FINALLY)), "")
        block = self._step(key)
        first = block.progress.first_failure if block and isinstance(block.progress, GroupProgress) else None
        return PayloadRef(PayloadKind.ERROR, first) if first else None

    def _iteration(self, loop: str | None, kinds: tuple[type[BlockPlan], ...]) -> tuple[str, int]:
        for scope in filter(None, enclosing_scopes(self._scope)):
            block_key, _ = split_scope(scope)
            found = find_step(self._view.plan, block_key)
            if found is not None and isinstance(found.block, kinds) and loop in (None, found.key):
                return split_iteration(scope)
        raise LookupError(f"no loop {loop!r} around the scope {self._scope!r}")

    def _value(self, ref: PayloadRef) -> Json:
        payload = self._payloads.get(ref)
        return None if payload is None else payload.value
