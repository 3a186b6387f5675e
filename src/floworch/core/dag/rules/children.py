"""Whether steps that start child flows say which one, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from pydantic.alias_generators import to_camel

from floworch.core.dag.rules.flows import CheckedFlow
from floworch.core.dag.rules.scopes import Finding, Scope, scopes_of
from floworch.core.dag.rules.settings import MAX_SECONDS
from floworch.core.expressions import compile_template, expression_problems
from floworch.core.model.child_types import is_run_flow
from floworch.core.model.manifest import Step
from floworch.core.model.payload import Json
from floworch.core.model.spelling import did_you_mean

__all__ = ["child_inputs", "unknown_flows"]

_INPUTS: Final = ("flow", "body", "headers", "wait", "onChildFailure", "timeoutSeconds", "idempotencyKey")
_WHAT_FAILURE_MEANS: Final = ("fail", "continue")
_LONGEST_REFERENCE: Final = 190
_LONGEST_KEY: Final = 256


class _Start(NamedTuple):
    """One ``RunFlow``; ``inputs`` have their JSON names."""

    place: str
    inputs: Mapping[str, Json]

    def finding(self, name: str, message: str, code: str = "bad_run_flow") -> Finding:
        return Finding(f"{self.place}.inputs.{name}", code, message)

    def fixed(self, name: str) -> Json:
        """The input, if it is given and known before the run."""
        value = self.inputs.get(name)
        return None if _is_expression(value) else value


def child_inputs(scope: Scope) -> Iterator[Finding]:
    """Inputs of every ``RunFlow`` of the scope."""
    for start in _starts(scope):
        yield from _unknown_inputs(start)
        yield from _flow(start)
        yield from _choices(start)
        yield from _timeout(start)
        yield from _texts(start)


def unknown_flows(flows: Sequence[CheckedFlow]) -> Iterator[tuple[CheckedFlow, Finding]]:
    """Children that are not among the flows."""
    names = [flow.name for flow in flows if isinstance(flow.name, str)]
    ids = {str(flow.id) for flow in flows}
    for flow in flows:
        for start in (start for scope in _scopes(flow) for start in _starts(scope)):
            wanted = start.fixed("flow")
            if isinstance(wanted, str) and wanted.strip() and wanted not in names and _as_id(wanted) not in ids:
                message = f"No flow {wanted!r} is registered beside this one.{did_you_mean(wanted, names)}"
                yield flow, start.finding("flow", message, "unknown_flow")


def _scopes(flow: CheckedFlow) -> list[Scope]:
    return [] if flow.manifest is None else scopes_of(flow.manifest)


def _starts(scope: Scope) -> Iterator[_Start]:
    for key, step in scope.steps.items():
        if isinstance(step, Step):
            places = {scope.at(key): step, f"{scope.at(key)}.compensate": step.compensate}
            for place, found in places.items():
                if found is not None and is_run_flow(found.type):
                    yield _Start(place, {to_camel(name): value for name, value in found.inputs.items()})


def _unknown_inputs(start: _Start) -> Iterator[Finding]:
    for name in start.inputs:
        if name not in _INPUTS:
            hint = did_you_mean(name, _INPUTS) or f" It has {', '.join(_INPUTS)}."
            yield start.finding(name, f"RunFlow has no input '{name}'.{hint}", "unknown_input")


def _flow(start: _Start) -> Iterator[Finding]:
    flow = start.inputs.get("flow")
    if not isinstance(flow, str) or not flow.strip():
        shown = "it is missing" if flow is None else f"got {flow!r:.80}"
        yield start.finding("flow", f"RunFlow needs 'flow', the id or the name of the flow to start; {shown}.")
    elif _is_expression(flow):
        yield start.finding("flow", "Which flow is started must be known beforehand: write its id or name out.")
    elif len(flow) > _LONGEST_REFERENCE:
        yield start.finding("flow", f"The name has more than {_LONGEST_REFERENCE} characters; write the flow's id.")


def _choices(start: _Start) -> Iterator[Finding]:
    wait, on_failure = start.fixed("wait"), start.fixed("onChildFailure")
    if wait is not None and not isinstance(wait, bool):
        yield start.finding("wait", f"wait is true or false, not {wait!r:.80}.")
    if on_failure is not None and on_failure not in _WHAT_FAILURE_MEANS:
        hint = did_you_mean(str(on_failure), _WHAT_FAILURE_MEANS)
        yield start.finding("onChildFailure", f"onChildFailure is 'fail' or 'continue', not {on_failure!r:.80}.{hint}")


def _timeout(start: _Start) -> Iterator[Finding]:
    seconds = start.fixed("timeoutSeconds")
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SECONDS:
        message = (
            f"timeoutSeconds is a number of seconds above 0, at most {MAX_SECONDS} (100 years), not {seconds!r:.80}."
        )
        yield start.finding("timeoutSeconds", message)


def _texts(start: _Start) -> Iterator[Finding]:
    key, headers = start.fixed("idempotencyKey"), start.fixed("headers")
    if key is not None and (not isinstance(key, str) or not key.strip() or len(key) > _LONGEST_KEY):
        message = f"idempotencyKey is text of 1 to {_LONGEST_KEY} characters, not {key!r:.80}."
        yield start.finding("idempotencyKey", message)
    if headers is not None and not (isinstance(headers, Mapping) and all(isinstance(v, str) for v in headers.values())):
        yield start.finding("headers", f"headers is an object whose values are text, not {headers!r:.80}.")


def _is_expression(value: Json) -> bool:
    """Whether it is known at run time only; also where it is a mistake, which another rule reports."""
    return bool(expression_problems(value, "")) or not compile_template(value).is_literal


def _as_id(reference: str) -> str | None:
    try:
        return str(UUID(reference))
    except ValueError:
        return None
