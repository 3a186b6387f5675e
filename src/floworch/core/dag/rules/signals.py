"""Whether steps that wait for signals say what they wait for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from floworch.core.dag.rules.scopes import Finding, Scope
from floworch.core.dag.rules.settings import MAX_SECONDS
from floworch.core.dag.waits.payload_schema import schema_fault
from floworch.core.dag.waits.signal import SIGNAL_INPUTS, WAIT_FOR_SIGNAL, wire_inputs
from floworch.core.expressions import Source, compile_template, expression_problems, located_references
from floworch.core.model.manifest import Compensation, Step
from floworch.core.model.payload import Json
from floworch.core.model.signals import signal_name_fault
from floworch.core.model.spelling import did_you_mean

__all__ = ["signal_waits"]


class _Wait(NamedTuple):
    """One step that waits, or the compensation of one. ``inputs`` have their JSON names."""

    place: str
    step: Step | Compensation
    inputs: Mapping[str, Json]

    def finding(self, name: str, message: str) -> Finding:
        return Finding(f"{self.place}.inputs.{name}", "bad_signal_wait", message)


def signal_waits(scope: Scope) -> Iterator[Finding]:
    """Inputs of every ``WaitForSignal`` of the scope."""
    for wait in _waits(scope):
        yield from _unknown(wait)
        yield from _names(wait)
        yield from _mode(wait)
        yield from _timeout(wait)
        yield from _quorum(wait)
        yield from _schema(wait)
        yield from _settings(wait)
        yield from _variables(wait)


def _waits(scope: Scope) -> Iterator[_Wait]:
    for key, step in scope.steps.items():
        if isinstance(step, Step):
            places = {scope.at(key): step, f"{scope.at(key)}.compensate": step.compensate}
            for place, found in places.items():
                if found is not None and found.type.casefold() == WAIT_FOR_SIGNAL.casefold():
                    yield _Wait(place, found, wire_inputs(found.inputs))


def _unknown(wait: _Wait) -> Iterator[Finding]:
    for name in wait.inputs:
        if name not in SIGNAL_INPUTS:
            hint = did_you_mean(name, SIGNAL_INPUTS) or f" It has {', '.join(SIGNAL_INPUTS)}."
            message = f"WaitForSignal has no input '{name}'.{hint}"
            yield Finding(f"{wait.place}.inputs.{name}", "unknown_input", message)


def _names(wait: _Wait) -> Iterator[Finding]:
    one, several = wait.inputs.get("signalName"), wait.inputs.get("signalNames")
    if one is not None and several is not None:
        yield wait.finding("signalNames", "Give either signalName or signalNames, not both.")
    if one is not None and not _is_expression(one) and (fault := signal_name_fault(one)):
        yield wait.finding("signalName", f"{_sentence(fault)}")
    if several is None or _is_expression(several):
        return
    if not isinstance(several, list) or not several:
        yield wait.finding("signalNames", f"signalNames is a list of at least one name, not {several!r:.80}.")
        return
    for index, name in enumerate(several):
        if not _is_expression(name) and (fault := signal_name_fault(name)):
            yield wait.finding(f"signalNames[{index}]", _sentence(fault))


def _mode(wait: _Wait) -> Iterator[Finding]:
    mode = wait.inputs.get("mode")
    if mode is None:
        return
    if mode not in ("any", "all"):
        yield wait.finding("mode", f"mode is 'any' or 'all', not {mode!r:.80}.")
    elif wait.inputs.get("signalNames") is None:
        yield wait.finding("mode", "mode tells how several signals go together; write them as signalNames.")


def _timeout(wait: _Wait) -> Iterator[Finding]:
    seconds = wait.inputs.get("timeoutSeconds")
    if seconds is None or _is_expression(seconds):
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        yield wait.finding("timeoutSeconds", f"timeoutSeconds is a number, or null for ever, not {seconds!r:.80}.")
    elif seconds < 0:
        message = f"timeoutSeconds is not negative, as {seconds:g} is; 0 or null waits for ever."
        yield wait.finding("timeoutSeconds", message)
    elif seconds > MAX_SECONDS:
        yield wait.finding("timeoutSeconds", f"timeoutSeconds is at most {MAX_SECONDS} (100 years), not {seconds:g}.")


def _quorum(wait: _Wait) -> Iterator[Finding]:
    quorum = wait.inputs.get("quorum")
    if quorum is not None and (isinstance(quorum, bool) or not isinstance(quorum, int) or quorum < 1):
        yield wait.finding("quorum", f"quorum is a whole number of at least 1, not {quorum!r:.80}.")


def _schema(wait: _Wait) -> Iterator[Finding]:
    schema = wait.inputs.get("schema")
    if schema is None:
        return
    if _is_expression(schema):
        yield wait.finding("schema", "A schema cannot hold expressions; write '@@' where a text begins with '@'.")
    elif fault := schema_fault(schema):
        yield Finding(f"{wait.place}.inputs.schema", "bad_schema", f"This is not a JSON Schema: {fault}.")


def _settings(wait: _Wait) -> Iterator[Finding]:
    if wait.step.timeout is not None:
        message = "timeoutSeconds of a step limits its handler, and a wait has none: write it among the inputs."
        yield Finding(f"{wait.place}.timeoutSeconds", "setting_without_handler", message)
    if wait.step.lease_seconds is not None:
        message = "leaseSeconds is about the worker that runs a handler, and a wait has none."
        yield Finding(f"{wait.place}.leaseSeconds", "setting_without_handler", message)


def _variables(wait: _Wait) -> Iterator[Finding]:
    for place, _, reference in located_references(wait.step.inputs, f"{wait.place}.inputs"):
        if reference.source is Source.ENV:
            message = "env() differs between workers, and every one of them must wait for the same signal."
            yield Finding(place, "env_outside_inputs", message)


def _is_expression(value: Json) -> bool:
    """Whether it is known at run time only; also where it is a mistake, which another rule reports."""
    return bool(expression_problems(value, "")) or not compile_template(value).is_literal


def _sentence(fault: str) -> str:
    return f"{fault[0].upper()}{fault[1:]}."
