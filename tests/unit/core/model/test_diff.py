"""What differs between two manifests, and how grave that is."""

from __future__ import annotations

from typing import Any

import pytest

from floworch import (
    Compensation,
    CronTrigger,
    FlowManifest,
    ForEach,
    ManualTrigger,
    Scope,
    Step,
    Until,
    Verdict,
    WebhookTrigger,
)

SAFE, WAITING, BREAKING = Verdict.SAFE, Verdict.AFFECTS_WAITING_RUNS, Verdict.BREAKING


def work(*after: str, **more: Any) -> Step:
    return Step(type="Work", run_after=list(after), **more)


def flow(triggers: Any = None, more: Any = None, **steps: Any) -> FlowManifest:
    return FlowManifest(triggers=triggers or {}, steps=steps, **(more or {}))


CASES: list[tuple[str, FlowManifest, FlowManifest, list[tuple[str, str, Verdict]]]] = [
    ("equal", flow(a=work()), flow(a=work()), []),
    ("description", flow(a=work()), flow(a=work(description="Says hi")), [("steps.a.description", "added", SAFE)]),
    (
        "a nested input",
        flow(a=work(inputs={"to": {"name": "x", "n": 1}})),
        flow(a=work(inputs={"to": {"name": "y", "n": 1}, "cc": None})),
        [("steps.a.inputs.to.name", "changed", WAITING), ("steps.a.inputs.cc", "added", WAITING)],
    ),
    (
        "one is not true",
        flow(a=work(inputs={"n": 1})),
        flow(a=work(inputs={"n": True})),
        [("steps.a.inputs.n", "changed", WAITING)],
    ),
    ("a new step", flow(a=work()), flow(a=work(), b=work("a")), [("steps.b", "added", WAITING)]),
    ("a step gone", flow(a=work(), b=work()), flow(a=work()), [("steps.b", "removed", BREAKING)]),
    ("another type", flow(a=work(inputs={"x": 1})), flow(a=Step(type="Play")), [("steps.a.type", "changed", BREAKING)]),
    (
        "a new dependency",
        flow(a=work(), b=work()),
        flow(a=work(), b=work("a")),
        [("steps.b.runAfter.a", "added", BREAKING)],
    ),
    (
        "a dependency gone",
        flow(a=work(), b=work("a")),
        flow(a=work(), b=work()),
        [("steps.b.runAfter.a", "removed", BREAKING)],
    ),
    (
        "other outcomes of a dependency",
        flow(a=work(), b=work("a")),
        flow(a=work(), b=Step(type="Work", run_after={"a": ["Failed"]})),
        [("steps.b.runAfter.a.statuses", "changed", BREAKING)],
    ),
    (
        "a condition",
        flow(a=work(when="true")),
        flow(a=work(when="false")),
        [("steps.a.when", "changed", WAITING)],
    ),
    (
        "settings of a loop",
        flow(a=ForEach(for_each=[1], steps={"x": work()})),
        flow(a=ForEach(for_each=[1, 2], concurrency_limit=4, steps={"x": work()})),
        [("steps.a.forEach", "changed", WAITING), ("steps.a.concurrencyLimit", "changed", WAITING)],
    ),
    (
        "a step in a loop",
        flow(a=Until(until="true", steps={"x": work()})),
        flow(a=Until(until="true", steps={"x": work(), "y": work()})),
        [("steps.a.steps.y", "added", BREAKING)],
    ),
    (
        "a step in a scope in a loop",
        flow(a=ForEach(for_each=[1], steps={"s": Scope(steps={"x": work()})})),
        flow(a=ForEach(for_each=[1], steps={"s": Scope(steps={"x": work()}, catch={"c": work()})})),
        [("steps.a.steps.s.catch.c", "added", BREAKING)],
    ),
    (
        "a branch of a scope",
        flow(a=Scope(steps={"x": work()})),
        flow(a=Scope(steps={"x": work()}, finally_={"f": work()})),
        [("steps.a.finally.f", "added", WAITING)],
    ),
    (
        "another kind of block",
        flow(a=ForEach(for_each=[1], steps={"x": work()})),
        flow(a=Scope(steps={"y": work()})),
        [("steps.a.type", "changed", BREAKING)],
    ),
    (
        "a compensation",
        flow(a=Scope(steps={"x": work(), "y": work(compensate=Compensation(type="Undo"))})),
        flow(a=Scope(steps={"x": work(compensate=Compensation(type="Undo")), "y": work()})),
        [("steps.a.steps.x.compensate", "added", WAITING), ("steps.a.steps.y.compensate", "removed", BREAKING)],
    ),
    (
        "another child flow",
        flow(a=Step(type="RunFlow", inputs={"flow": "A", "body": 1})),
        flow(a=Step(type="RunFlow", inputs={"flow": "B", "body": 2})),
        [("steps.a.inputs.flow", "changed", BREAKING), ("steps.a.inputs.body", "changed", WAITING)],
    ),
    ("another order", flow(a=work(), b=work()), flow(b=work(), a=work()), [("steps", "changed", SAFE)]),
    (
        "the deadline of new runs",
        flow(a=work(), more={"timeout_seconds": 5}),
        flow(a=work()),
        [("timeoutSeconds", "removed", SAFE)],
    ),
    (
        "a schedule",
        flow({"nightly": CronTrigger(cron_expression="0 2 * * *")}, a=work()),
        flow({"nightly": CronTrigger(cron_expression="0 3 * * *")}, a=work()),
        [("triggers.nightly.inputs.cronExpression", "changed", SAFE)],
    ),
    (
        "a schedule gone, a trigger new",
        flow({"nightly": CronTrigger(cron_expression="@daily")}, a=work()),
        flow({"manual": ManualTrigger()}, a=work()),
        [("triggers.nightly", "removed", BREAKING), ("triggers.manual", "added", SAFE)],
    ),
    (
        "what needs no trigger",
        flow({"manual": ManualTrigger()}, a=work()),
        flow(a=work()),
        [("triggers.manual", "removed", SAFE)],
    ),
    (
        "the address of a webhook",
        flow({"hook": WebhookTrigger(slug="one")}, a=work()),
        flow({"hook": WebhookTrigger(slug="two")}, a=work()),
        [("triggers.hook.inputs.webhookSlug", "changed", BREAKING)],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_change_is_named_and_judged(
    old: FlowManifest, new: FlowManifest, expected: list[tuple[str, str, Verdict]]
) -> None:
    found = old.diff(new).changes
    assert [(change.path, str(change.kind), change.verdict) for change in found] == expected


def test_the_verdict_is_the_gravest_one() -> None:
    old = flow(a=work(), b=work())
    assert old.diff(old).verdict is SAFE
    assert old.diff(flow(a=work(inputs={"x": 1}), b=work(description="B"))).verdict is WAITING
    assert old.diff(flow(a=work(inputs={"x": 1}))).is_breaking


def test_long_values_are_cut() -> None:
    [change] = flow(a=work(inputs={"x": "y" * 500})).diff(flow(a=work(inputs={"x": 1}))).changes
    assert len(change.text) < 100
    assert change.text.endswith("… to 1")
