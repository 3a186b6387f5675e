"""Validation of flows at registration: every problem of every flow at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from floworch.core.dag.rules import (
    blocks,
    children,
    expressions,
    flows,
    graph,
    keys,
    limits,
    literals,
    polling,
    schedules,
    settings,
    signals,
    start_values,
)
from floworch.core.dag.rules.flows import CheckedFlow
from floworch.core.dag.rules.known import StepTypes, known_types
from floworch.core.dag.rules.scopes import Finding, scopes_of
from floworch.core.model.flow import FlowLike, as_flow
from floworch.core.model.manifest import FlowManifest
from floworch.core.model.repair import read_leniently
from floworch.errors import FlowProblem

__all__ = ["validate_flows", "validate_manifest"]


def validate_flows(flows_: Iterable[FlowLike], known_step_types: StepTypes) -> list[FlowProblem]:
    """Every problem of every flow, in the order of the flows, then what they have twice; empty when all is well.

    ``known_step_types`` are the types that have a handler, if that is known; see :data:`StepTypes`. A flow's
    ``manifest`` may also be the object of parsed JSON: its mistakes of form are reported beside those of its graph.
    """
    checked: list[CheckedFlow] = []
    problems: list[FlowProblem] = []
    for flow in flows_:
        read, found = _read(flow, known_step_types)
        checked.append(read)
        problems += found
    problems += [_problem(flow.label, finding) for flow, finding in flows.duplicates(checked)]
    problems += [_problem(flow.label, finding) for flow, finding in children.unknown_flows(checked)]
    return problems


def validate_manifest(
    manifest: FlowManifest | Mapping[str, Any], name: str, known_step_types: StepTypes = None
) -> list[FlowProblem]:
    """Every problem of one manifest, under the name of its flow or file."""
    if isinstance(manifest, FlowManifest):
        return _unique(_problems(name, _findings(manifest, known_step_types)))
    return _lenient(manifest, name, known_step_types)[1]


def _findings(manifest: FlowManifest, known_step_types: StepTypes) -> Iterator[Finding]:
    known = known_types(known_step_types)
    yield from keys.trigger_keys(manifest)
    yield from schedules.timed_triggers(manifest)
    yield from flows.bad_slugs(manifest)
    yield from settings.run_deadline(manifest)
    yield from settings.defaults(manifest)
    yield from start_values.tags(manifest)
    yield from limits.flow_limits(manifest)
    scopes = scopes_of(manifest)
    for scope in scopes:
        yield from keys.step_keys(scope)
        yield from graph.body_present(scope)
        yield from graph.entry_present(scope)
        yield from graph.dependencies_known(scope, scopes)
        yield from graph.no_cycles(scope)
        yield from graph.nesting(scope)
        yield from blocks.branches(scope)
        yield from blocks.compensations(scope)
        yield from settings.step_types(scope, known)
        yield from settings.limits(scope)
        yield from settings.durations(scope)
        yield from settings.retries(scope)
        yield from signals.signal_waits(scope)
        yield from children.child_inputs(scope)
        yield from polling.poll_settings(scope, known)
        yield from literals.literal_inputs(scope, known)
        yield from expressions.loop_sources(scope)
        yield from expressions.expressions(scope, scopes, known)


def _read(flow: FlowLike, known_step_types: StepTypes) -> tuple[CheckedFlow, list[FlowProblem]]:
    label = _label(flow)
    try:
        instance = as_flow(flow)
    except TypeError as error:
        message = f"The class cannot be instantiated without arguments ({error}); register an instance."
        return CheckedFlow(label, None, None, None, None), [FlowProblem(label, "", message, "not_constructible")]
    manifest, problems = _manifest(instance, label, known_step_types)
    flow_id, name, version = (getattr(instance, attribute, None) for attribute in ("id", "name", "version"))
    read = CheckedFlow(label, flow_id, name, version, manifest)
    return read, _problems(label, flows.identity(read)) + problems


def _label(flow: FlowLike) -> str:
    name = getattr(flow, "name", None)
    owner = flow if isinstance(flow, type) else type(flow)
    return name if isinstance(name, str) and name.strip() else owner.__name__


def _manifest(flow: object, label: str, known_step_types: StepTypes) -> tuple[FlowManifest | None, list[FlowProblem]]:
    manifest = getattr(flow, "manifest", None)
    if isinstance(manifest, FlowManifest):
        return manifest, validate_manifest(manifest, label, known_step_types)
    if isinstance(manifest, Mapping):
        return _lenient(manifest, label, known_step_types)
    shown = "has none" if manifest is None else f"got {type(manifest).__name__}"
    message = f"The flow needs a manifest, a FlowManifest; {shown}."
    return None, [FlowProblem(label, "manifest", message, "no_manifest")]


def _lenient(
    data: Mapping[str, Any], name: str, known_step_types: StepTypes
) -> tuple[FlowManifest | None, list[FlowProblem]]:
    manifest, problems = read_leniently(data, name)
    if manifest is None:
        return None, problems
    reported = [problem.location for problem in problems]
    more = validate_manifest(manifest, name, known_step_types)
    return manifest, problems + [problem for problem in more if not _is_covered(problem.location, reported)]


def _is_covered(location: str, reported: Collection[str]) -> bool:
    """Whether the mistake was reported already: the graph then only shows its consequence."""
    return any(location == place or location.startswith((f"{place}.", f"{place}[")) for place in reported)


def _problems(label: str, findings: Iterable[Finding]) -> list[FlowProblem]:
    return [_problem(label, finding) for finding in findings]


def _problem(label: str, finding: Finding) -> FlowProblem:
    return FlowProblem(label, finding.location, finding.message, finding.code)


def _unique(problems: Iterable[FlowProblem]) -> list[FlowProblem]:
    return list(dict.fromkeys(problems))
