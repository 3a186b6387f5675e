"""A flow as a Mermaid diagram."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from floworch.core.dag.waits.signal import WAIT_FOR_SIGNAL, wire_inputs
from floworch.core.model.child_types import child_reference, is_run_flow
from floworch.core.model.flow import FlowLike, as_flow, manifest_of
from floworch.core.model.manifest import (
    AnyStep,
    AtTrigger,
    Block,
    CronTrigger,
    FlowManifest,
    IntervalTrigger,
    RunAfter,
    Scope,
    Trigger,
    WebhookTrigger,
)
from floworch.core.model.signals import DEFAULT_SIGNAL

__all__ = ["DIRECTIONS", "Direction", "to_mermaid"]

Direction: TypeAlias = Literal["TD", "TB", "BT", "LR", "RL"]
DIRECTIONS = ("TD", "TB", "BT", "LR", "RL")

_Steps: TypeAlias = Mapping[str, AnyStep]
_CLASSES = (
    "classDef trigger fill:#e1f5ff,stroke:#0288d1",
    "classDef entry fill:#c8e6c9,stroke:#388e3c",
    "classDef polling fill:#fff9c4,stroke:#f57f17",
    "classDef loop fill:#f3e5f5,stroke:#7b1fa2",
    "classDef scope fill:#eceff1,stroke:#546e7a",
    "classDef waiting fill:#e8eaf6,stroke:#3949ab",
    "classDef child fill:#e0f2f1,stroke:#00796b",
    "classDef undo fill:#ffebee,stroke:#c62828,stroke-dasharray:4",
)
_SIGNS = {"waiting": "✉", "polling": "⏳", "child": "↪"}
_SHAPES = {"waiting": ("{{", "}}"), "child": ("[[", "]]")}
_BOX = ("[", "]")
_ICONS = {"ForEach": "🔁", "Until": "🔂", "Scope": "🗂"}
# Words that Mermaid's grammar takes for its own when they stand where an id may stand.
_RESERVED = frozenset(
    ("end", "graph", "flowchart", "subgraph", "direction", "style", "default", "class", "classdef", "linkstyle")
)
_ENTITIES = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\n": " ", "\r": " "}


def to_mermaid(
    flow: FlowLike | FlowManifest,
    *,
    direction: Direction = "TD",
    include_triggers: bool = True,
    show_step_types: bool = True,
    apply_styling: bool = True,
) -> str:
    """Text of a flowchart with triggers, steps, loops as sub-graphs, and every dependency with its condition.

    Raises ``ValueError`` for an unknown direction.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"Unknown direction {direction!r}; use one of {', '.join(DIRECTIONS)}.")
    manifest = flow if isinstance(flow, FlowManifest) else manifest_of(as_flow(flow))
    drawing = _Drawing(show_step_types, apply_styling)
    lines = [
        *drawing.styles(),
        *(drawing.triggers(manifest) if include_triggers else ()),
        *drawing.scope(manifest.steps),
    ]
    return "\n".join([f"flowchart {direction}", *(f"    {line}" for line in lines)]) + "\n"


@dataclass(slots=True)
class _Drawing:
    show_step_types: bool
    apply_styling: bool
    taken: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)
    """Static path of a step → node id."""

    def styles(self) -> Iterator[str]:
        if self.apply_styling:
            yield from _CLASSES

    def triggers(self, manifest: FlowManifest) -> Iterator[str]:
        entries = [key for key, step in manifest.steps.items() if not step.run_after]
        for key, trigger in manifest.triggers.items():
            node = self.new_id(f"T_{_safe(key)}")
            yield f'{node}(["⚡ {_escaped(key)}<br/>{_escaped(_about(trigger))}"]){self.style("trigger")}'
            yield from (f"{node} --> {self.step_id(entry)}" for entry in entries)

    def scope(self, steps: _Steps, path: str = "") -> Iterator[str]:
        for key, step in steps.items():
            yield from self.step(key, step, path)
        for key, step in steps.items():
            for before, demand in step.run_after.items():
                if before in steps:
                    yield self.edge(_path(path, before), _path(path, key), demand)

    def step(self, key: str, step: AnyStep, scope_path: str) -> Iterator[str]:
        path = _path(scope_path, key)
        node = self.step_id(path)
        opening, closing = _SHAPES.get(_style_of(step) or "", _BOX)
        yield f'{node}{opening}"{self.label(key, step)}"{closing}{self.style(_style_of(step))}'
        if isinstance(step, Block):
            for branch, steps in step.branches().items():
                yield from self.branch(key, step, branch, steps, path)
        elif step.compensate is not None:
            undo = self.new_id(f"undo_{node}")
            yield f'{undo}["↩ {_escaped(key)}<br/><i>{_escaped(step.compensate.type)}</i>"]{self.style("undo")}'
            yield f"{node} -.->|undo| {undo}"

    def branch(self, key: str, block: Block, branch: str, steps: _Steps, path: str) -> Iterator[str]:
        node = self.step_id(path)
        is_main = branch == "steps"
        body = self.new_id(f"subgraph_{node}" if is_main else f"subgraph_{node}_{branch}")
        kind = f" ({block.word})" if self.show_step_types else ""
        title = f"{_ICONS[block.word]} {_escaped(key)}{kind}" if is_main else branch
        yield f'subgraph {body}["{title}"]'
        yield from (f"    {line}" for line in self.scope(steps, path))
        yield "end"
        yield f"{node} -.-> {body}" if is_main else f"{node} -.->|{branch}| {body}"

    def label(self, key: str, step: AnyStep) -> str:
        icon, told = _SIGNS.get(_style_of(step) or ""), _waited_for(step)
        lines = [f"{icon} {_escaped(key)}" if icon else _escaped(key)]
        if self.show_step_types and step.type.strip():
            lines.append(f"<i>{_escaped(step.type)}</i>")
        lines += [_escaped(told)] if told else []
        if step.when:
            lines.append(f"when: {_escaped(step.when)}")
        return "<br/>".join(lines)

    def edge(self, before: str, after: str, demand: RunAfter) -> str:
        parts = ["|".join(demand.statuses)] if demand.statuses else []
        parts += [f"when: {demand.when}"] if demand.when else []
        label = f'|"{_escaped(" ".join(parts))}"|' if parts else ""
        return f"{self.step_id(before)} -->{label} {self.step_id(after)}"

    def style(self, name: str | None) -> str:
        return f":::{name}" if name and self.apply_styling else ""

    def step_id(self, path: str) -> str:
        if path not in self.ids:
            self.ids[path] = self.new_id(_safe(path))
        return self.ids[path]

    def new_id(self, wish: str) -> str:
        """The wish, or the wish with a number when another node has it."""
        found, number = wish, 2
        while found in self.taken:
            found, number = f"{wish}_{number}", number + 1
        self.taken.add(found)
        return found


def _path(scope_path: str, key: str) -> str:
    return f"{scope_path}.{key}" if scope_path else key


def _safe(text: str) -> str:
    name = re.sub(r"\W", "_", text)
    return f"_{name}" if not name or name[0].isdigit() or name.casefold() in _RESERVED else name


def _escaped(text: str) -> str:
    return "".join(_ENTITIES.get(char, char) for char in text)


def _style_of(step: AnyStep) -> str | None:
    if isinstance(step, Block):
        return "scope" if isinstance(step, Scope) else "loop"
    if is_run_flow(step.type):
        return "child"
    if _is_wait(step):
        return "waiting"
    if str(step.inputs.get("pollEnabled")).casefold() == "true":
        return "polling"
    return None if step.run_after else "entry"


def _is_wait(step: AnyStep) -> bool:
    return step.type.casefold() == WAIT_FOR_SIGNAL.casefold()


def _waited_for(step: AnyStep) -> str | None:
    """The flow of a child, or the names of signals."""
    if isinstance(step, Block):
        return None
    if is_run_flow(step.type):
        return str(child_reference(step.inputs) or "")
    if not _is_wait(step):
        return None
    given = wire_inputs(step.inputs)
    names = given.get("signalNames") or given.get("signalName") or DEFAULT_SIGNAL
    several = " and " if given.get("mode") == "all" else " or "
    return several.join(map(str, names)) if isinstance(names, list | tuple) else str(names)


def _about(trigger: Trigger) -> str:
    if isinstance(trigger, CronTrigger):
        zone = "" if trigger.time_zone == "UTC" else f" {trigger.time_zone}"
        return f"Cron {trigger.cron_expression}{zone}"
    if isinstance(trigger, IntervalTrigger):
        return f"Every {trigger.every:g} s"
    if isinstance(trigger, AtTrigger):
        return f"At {trigger.at:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(trigger, WebhookTrigger):
        return f"Webhook /{trigger.slug}" if trigger.slug else "Webhook"
    return "Manual"
