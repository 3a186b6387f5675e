"""What `import floworch` costs an application that only wants to define flows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

HEAVY = frozenset(
    {"alembic", "apscheduler", "croniter", "fastapi", "httpx", "rich", "sqlalchemy", "starlette", "typer", "yaml"}
)
MOST_MODULES_TO_DEFINE_FLOWS = 345
MOST_MODULES_TO_RUN_FLOWS = 600
"""Python's own included. That is what the time is spent on, and it does not depend on what else the machine does."""

PROBE = """
import json, sys, threading, time
started = time.process_time()
import floworch
{more}
seconds = time.process_time() - started
assert floworch.__all__, "an empty package is cheap, but that is not what is measured here"
print(json.dumps({{"seconds": seconds, "modules": sorted(sys.modules), "threads": threading.active_count()}}))
"""


def test_importing_floworch_loads_nothing_that_only_some_need() -> None:
    loaded = {name.split(".")[0] for name in _import_in_new_process()["modules"]}

    assert "floworch" in loaded
    assert not loaded & HEAVY


def test_importing_floworch_starts_no_thread() -> None:
    assert _import_in_new_process()["threads"] == 1


def test_the_engine_is_not_loaded_before_something_runs_flows() -> None:
    assert "floworch.core.engine.engine" not in _import_in_new_process()["modules"]
    assert "floworch.core.engine.engine" in _import_in_new_process("floworch.FlowOrchestrator")["modules"]


@pytest.mark.parametrize(
    ("store", "own", "others"),
    [
        ("sqlite('flows.db')", "sqlite", {"postgresql", "mssql"}),
        ("postgresql('postgresql://host/flows')", "postgresql", {"sqlite", "mssql"}),
    ],
)
def test_a_process_loads_what_its_own_database_needs(store: str, own: str, others: set[str]) -> None:
    more = f"from floworch.storage.sql import SqlStorage; SqlStorage.{store}"

    modules = set(_import_in_new_process(more)["modules"])

    assert f"floworch.storage.sql.dialects.{own}" in modules
    assert not modules & {f"floworch.storage.sql.dialects.{other}" for other in others}
    assert not modules & {f"sqlalchemy.dialects.{other}" for other in others}
    assert not modules & {"floworch.storage.memory", "psycopg"}
    assert ("sqlite3" in modules) == (own == "sqlite")


@pytest.mark.parametrize(
    ("more", "most"), [("", MOST_MODULES_TO_DEFINE_FLOWS), ("floworch.FlowOrchestrator", MOST_MODULES_TO_RUN_FLOWS)]
)
def test_importing_floworch_loads_few_modules(more: str, most: int, record_figure: Callable[[str], None]) -> None:
    imports = [_import_in_new_process(more) for _ in range(4)]
    best = min(float(each["seconds"]) for each in imports)
    count = len(imports[0]["modules"])
    what = f"import floworch {more}".strip()
    record_figure(f"{what}: {count} modules, {best * 1000:.0f} ms of processor time (target 300, when idle)")

    assert count <= most


def _import_in_new_process(more: str = "") -> dict[str, Any]:
    program = PROBE.format(more=more)
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    measured: dict[str, Any] = json.loads(outcome.stdout)
    return measured
