"""The reference pages of settings and of the manifest know every name and every default."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import BaseModel

from floworch import (
    AtTrigger,
    CronTrigger,
    FlowDefinition,
    FlowManifest,
    ForEach,
    IntervalTrigger,
    Limit,
    ManualTrigger,
    Rate,
    Scope,
    Step,
    StepDefaults,
    Until,
    WebhookTrigger,
)
from floworch.core.dag.validate import validate_flows
from floworch.core.dag.waits import WAITING_TYPES
from floworch.core.engine.settings import EngineSettings
from floworch.core.handlers.builtin import BUILTIN_HANDLERS
from floworch.core.handlers.spec import specs_of
from floworch.core.model.retry import RetrySettings
from floworch.core.model.wire import wire_name
from floworch.storage.sql import SqlStorage

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
MANIFEST = (REFERENCE / "manifest.md").read_text("utf-8")
SETTINGS = (REFERENCE / "settings.md").read_text("utf-8")
SHARED = {"type", "runAfter", "when", "description"}


def rows(text: str) -> dict[str, list[str]]:
    """First cell → the others, of all tables."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    return {first.strip("`"): others for first, *others in cells}


def section(page: str, title: str) -> str:
    _, _, rest = page.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def fields_of(model: type[BaseModel]) -> set[str]:
    return {wire_name(name) for name in model.model_fields}


@pytest.mark.parametrize("model", [FlowManifest, RetrySettings, StepDefaults, Limit])
def test_every_field_of_a_manifest_has_a_line(model: type[BaseModel]) -> None:
    assert set(rows(section(MANIFEST, model.__name__))) == fields_of(model)


@pytest.mark.parametrize("model", [Step, ForEach, Until, Scope])
def test_every_field_of_a_step_has_a_line(model: type[BaseModel]) -> None:
    told_above = set() if model is Step else SHARED
    assert set(rows(section(MANIFEST, model.__name__))) == fields_of(model) - told_above


@pytest.mark.parametrize("model", [ManualTrigger, CronTrigger, IntervalTrigger, AtTrigger, WebhookTrigger])
def test_every_input_of_a_trigger_is_named(model: type[BaseModel]) -> None:
    text = section(MANIFEST, "Triggers")
    names = {"webhookSlug" if name == "slug" else name for name in fields_of(model)}
    assert [name for name in names if f"`{name}`" not in text] == []
    assert f"`{model.__name__}`" in text


def test_every_part_of_a_rate_is_named() -> None:
    assert [name for name in fields_of(Rate) if f"`{name}`" not in section(MANIFEST, "Limit")] == []


def test_every_built_in_step_type_is_named() -> None:
    known = {spec.type for handler in BUILTIN_HANDLERS for spec in specs_of(handler)} | set(WAITING_TYPES)
    assert set(rows(section(MANIFEST, "Built-in step types"))) == known


def test_the_manifest_on_the_page_is_valid(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml[^\n]*\n(.*?)```", MANIFEST, re.DOTALL)
    (tmp_path / "orders.yaml").write_text(text, encoding="utf-8")
    flow = FlowDefinition(id=UUID(int=1), manifest=FlowManifest.from_file(tmp_path / "orders.yaml"))
    assert validate_flows([flow], None) == []


def test_every_setting_has_a_line_with_its_default() -> None:
    told = rows(SETTINGS.partition("\n## ")[0])
    assert set(told) == {each.name for each in fields(EngineSettings)}
    numbers = {each.name: each.default for each in fields(EngineSettings) if isinstance(each.default, (int, float))}
    assert {name: float(told[name][-1]) for name in numbers} == numbers


def test_every_option_of_sqlite_has_a_line_with_its_default() -> None:
    options = dict(inspect.signature(SqlStorage.sqlite).parameters)
    for name in ("path", "clock"):
        del options[name]
    told = {name: others[-1].strip("`") for name, others in rows(section(SETTINGS, "SQLite")).items()}
    defaults = {name: option.default for name, option in options.items()}
    shown = {
        name: "none" if value is None else f'"{value}"' if isinstance(value, str) else f"{value:g}"
        for name, value in defaults.items()
        if not isinstance(value, bool)
    }
    assert told == {"auto_migrate": "True"} | shown
