"""Flow specs written as real manifests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from floworch.core.dag.compile import compile_manifest
from floworch.core.dag.plan import FlowPlan
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.payload import Json
from tests.simulation.specs import (
    AllOf,
    AnyOf,
    ChildSpec,
    Compare,
    Constant,
    FlowSpec,
    Guard,
    LoopSpec,
    Negation,
    Read,
    ScopeSpec,
    SignalSpec,
    StepSpec,
    UntilSpec,
)

__all__ = ["FLOW_ID", "manifest_of", "plan_of", "text_of"]

FLOW_ID = UUID("00000000-0000-0000-0000-0000000000f1")
_ENDLESS_SECONDS = 300_000_000


def plan_of(flow: FlowSpec) -> FlowPlan:
    return compile_manifest(FLOW_ID, "RandomFlow", "1.0", manifest_of(flow), {"ask"})


def manifest_of(flow: FlowSpec) -> FlowManifest:
    return FlowManifest.from_json(json.dumps({"triggers": {"manual": {"type": "Manual"}}, "steps": _steps(flow.steps)}))


def text_of(guard: Guard) -> str:
    """The guard as an expression."""
    match guard:
        case Constant(value):
            return json.dumps(value)
        case Compare(left, op, right):
            return f"{_text_of_read(left)} {op} {_literal(right)}"
        case Negation(inner):
            return f"!({text_of(inner)})"
        case AllOf(left, right):
            return f"({text_of(left)}) && ({text_of(right)})"
        case AnyOf(left, right):
            return f"({text_of(left)}) || ({text_of(right)})"
        case Read():
            return _text_of_read(guard)


def _steps(steps: Sequence[StepSpec]) -> Json:
    return {spec.key: _step(spec) for spec in steps}


def _step(spec: StepSpec) -> Json:
    guards = [text_of(guard) for guard in spec.guards]
    written: dict[str, Json] = {"type": "Work", "runAfter": {}}
    if spec.polls:
        written |= {"type": "Ask", "inputs": {"pollCondition": True, "pollTimeoutSeconds": _ENDLESS_SECONDS}}
    if spec.signal is not None:
        written |= {"type": "WaitForSignal", "inputs": _signal(spec.signal)}
    if spec.child is not None:
        written |= {"type": "RunFlow", "inputs": _child(spec.child)}
    if guards:
        written["when"] = guards[0]
    for number, (name, accepted) in enumerate(spec.run_after, start=1):
        edge: dict[str, Json] = {"statuses": sorted(accepted)}
        if number < len(guards):
            edge["when"] = guards[number]
        written["runAfter"][name] = edge
    if spec.undo is not None:
        written["compensate"] = {"type": "Work"}
    if spec.scope is not None:
        return written | _scope(spec.scope)
    if spec.loop is not None:
        return written | _loop(spec.loop)
    return written if spec.until is None else written | _until(spec.until)


def _signal(signal: SignalSpec) -> dict[str, Json]:
    one: dict[str, Json] = {"signalName": signal.names[0]}
    inputs = one if signal.mode == "one" else {"signalNames": [*signal.names], "mode": signal.mode}
    inputs |= {"quorum": signal.quorum, "timeoutSeconds": signal.timeout_seconds}
    return inputs | ({"schema": {"type": "string"}} if signal.only_text else {})


def _child(child: ChildSpec) -> dict[str, Json]:
    inputs = {"flow": child.flow, "wait": child.waits, "onChildFailure": child.on_failure}
    inputs["body"] = "@triggerBody()" if child.body is None else child.body
    return inputs | ({} if child.key is None else {"idempotencyKey": child.key})


def _scope(scope: ScopeSpec) -> dict[str, Json]:
    branches = {"steps": scope.steps, "catch": scope.catch, "finally": scope.last}
    return {"type": "Scope"} | {name: _steps(steps) for name, steps in branches.items() if steps}


def _loop(loop: LoopSpec) -> dict[str, Json]:
    return {
        "type": "ForEach",
        "forEach": list(loop.source) if isinstance(loop.source, tuple) else _text_of_read(loop.source),
        "concurrencyLimit": loop.concurrency_limit,
        "onItemFailure": loop.on_item_failure,
        "steps": _steps(loop.body),
    }


def _until(until: UntilSpec) -> dict[str, Json]:
    return {
        "type": "Until",
        "until": text_of(until.condition),
        "maxIterations": until.max_iterations,
        "delaySeconds": until.delay_seconds,
        "steps": _steps(until.body),
    }


def _text_of_read(read: Read) -> str:
    name = "" if read.name is None else f"'{read.name}'"
    trail = "".join(f"?.{part}" if isinstance(part, str) else f"[{part}]" for part in read.trail)
    match read.what:
        case "body":
            return f"@triggerBody(){trail}"
        case "output" | "status":
            return f"@steps({name}).{read.what}{trail}"
        case "error_type":
            return f"@steps({name}).error.type"
        case "item" | "index":
            return f"@{read.what}({name}){trail}"


def _literal(value: Json) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)
