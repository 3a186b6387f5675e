"""An environment that answers from plain values and counts what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from floworch.core.model.payload import Json

__all__ = ["ValuesEnvironment"]


@dataclass
class ValuesEnvironment:
    """Outputs, statuses and errors by step key; items and indexes by loop key, None for the innermost."""

    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    trigger_facts: Mapping[str, Json] = field(default_factory=dict)
    run_facts: Mapping[str, Json] = field(default_factory=dict)
    flow_facts: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    items: Mapping[str | None, Json] = field(default_factory=dict)
    indexes: Mapping[str | None, int] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    polled: Json = None
    failed: Mapping[str, Json] | None = None
    now: datetime = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
    asked: list[str] = field(default_factory=list)

    def trigger_body(self) -> Json:
        self.asked.append("triggerBody")
        return self.body

    def trigger_headers(self) -> Mapping[str, str]:
        return self.headers

    def trigger(self) -> Mapping[str, Json]:
        return self.trigger_facts

    def run(self) -> Mapping[str, Json]:
        return self.run_facts

    def flow(self) -> Mapping[str, Json]:
        return self.flow_facts

    def step_output(self, key: str) -> Json:
        self.asked.append(key)
        return self.outputs.get(key)

    def step_status(self, key: str) -> str | None:
        return self.statuses.get(key)

    def step_error(self, key: str) -> Mapping[str, Json] | None:
        return self.errors.get(key)

    def item(self, loop: str | None) -> Json:
        return self.items[loop]

    def index(self, loop: str | None) -> int:
        return self.indexes[loop]

    def variable(self, name: str) -> str | None:
        return self.variables.get(name)

    def result(self) -> Json:
        return self.polled

    def failure(self) -> Mapping[str, Json] | None:
        return self.failed
