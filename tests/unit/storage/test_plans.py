"""How SQLite finds rows: never by reading a table from end to end."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Executable, SelectBase
from sqlalchemy.dialects import sqlite

from floworch.core.model.status import RunStatus
from floworch.core.ports.clock import SystemClock
from floworch.core.ports.storage import RunFilter
from floworch.storage.sql.cursor import Cursor
from floworch.storage.sql.dialects.sqlite import SqliteDialect
from floworch.storage.sql.due_schedules import look_question
from floworch.storage.sql.limit_use import held_question, use_question
from floworch.storage.sql.migrations.files import load_migrations
from floworch.storage.sql.notices import notices_question
from floworch.storage.sql.runs import runs_page
from floworch.storage.sql.schedules import old_ticks
from floworch.storage.sql.statements import ENDED, bulk_statements
from floworch.storage.sql.waiting import due_question, held_lease_question, ready_question

DIALECT = SqliteDialect()
TABLES = DIALECT.tables()
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID = UUID(int=1)
FAILED = frozenset({RunStatus.FAILED})
AFTER = Cursor(NOW, ID)
UPDATES = [name for name, spec in bulk_statements(TABLES).items() if not name.startswith("insert")]
DUE = due_question(TABLES, NOW, DIALECT.lease_clock(SystemClock()), 10)
PAGES = {
    "all": (RunFilter(), "run_by_start"),
    "flow": (RunFilter(flow_id=ID), "run_by_flow"),
    "status": (RunFilter(statuses=FAILED), "run_by_status"),
    "flow and status": (RunFilter(flow_id=ID, statuses=FAILED), "run_by_flow_status"),
    "suspended": (RunFilter(suspended=True), "run_suspended"),
    "parent": (RunFilter(parent_run_id=ID), "run_by_parent"),
    "failed with an error": (RunFilter(statuses=FAILED, error="declined"), "run_by_status"),
    "failed and ended": (RunFilter(statuses=FAILED, ended_from=NOW, ended_before=NOW), "run_by_status"),
    "one tag": (RunFilter(tags={"kind": "import"}), "run_tag_by_value"),
    "tags": (RunFilter(tags={"tenant": "acme", "kind": "import"}), "run_tag_by_value"),
    "tags and statuses": (
        RunFilter(statuses=FAILED | {RunStatus.CANCELLED}, tags={"kind": "import"}),
        "run_tag_by_value",
    ),
}


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for migration in load_migrations("sqlite"):
        connection.executescript(migration.text)
    yield connection
    connection.close()


@pytest.mark.parametrize("name", UPDATES)
def test_bulk_statements_search(database: sqlite3.Connection, name: str) -> None:
    text = DIALECT.prepare(bulk_statements(TABLES)[name]).sql
    steps = plan(database, text, (None,) * text.count("?"))
    assert any("SEARCH" in step for step in steps)
    assert [step for step in steps if re.search(r"SCAN (t|floworch)", step)] == []


@pytest.mark.parametrize("index", ["floworch_step_pending", "floworch_step_leased", "floworch_run_by_deadline"])
def test_due_work_is_found_among_what_waits(database: sqlite3.Connection, index: str) -> None:
    steps = explain(database, DUE)
    # Once for what is due, once for what comes next.
    assert sum(bool(re.search(f"SEARCH .* INDEX {index}\\b", step)) for step in steps) == 2
    assert not any(re.search(r"SCAN (t|floworch)", step) for step in steps)


def test_schedules_are_found_among_those_that_there_is_something_to_do_for(database: sqlite3.Connection) -> None:
    steps = explain(database, look_question(TABLES, 10, [ID]).params(now=NOW))
    used = Counter(index for step in steps for index in re.findall(r"INDEX (floworch_schedule_\w+)", step))
    # By due time once for what is due, once for what comes next.
    assert used == {"floworch_schedule_by_due": 2, "floworch_schedule_waiting": 1, "floworch_schedule_backfills": 1}
    assert not any(re.search(r"TEMP B-TREE|SCAN floworch_(schedule|flow|run)\b(?!.*INDEX)", step) for step in steps)


def test_old_ticks_are_found_by_the_time_of_their_record(database: sqlite3.Connection) -> None:
    assert uses(database, old_ticks(TABLES, NOW, 10), "floworch_tick_by_record")
    assert not any("TEMP B-TREE" in step for step in explain(database, old_ticks(TABLES, NOW, 10)))


def test_ready_steps_are_found_among_what_is_ready(database: sqlite3.Connection) -> None:
    assert uses(database, ready_question(TABLES, 10, frozenset({"Work"}), [ID]), "floworch_step_ready")


def test_a_held_lease_is_found_among_what_is_leased(database: sqlite3.Connection) -> None:
    question = held_lease_question(TABLES, DIALECT.lease_clock(SystemClock()))
    assert uses(database, question, "floworch_step_leased")
    assert not any("TEMP B-TREE" in step for step in explain(database, question))


def test_notices_are_found_among_the_ends_that_somebody_is_told_of(database: sqlite3.Connection) -> None:
    question = notices_question(TABLES, 10, [ID, UUID(int=2)])
    assert sum("INDEX floworch_run_notices " in step for step in explain(database, question)) == 2
    assert not any("TEMP B-TREE" in step for step in explain(database, question))


@pytest.mark.parametrize("cursor", [None, AFTER], ids=["first page", "next page"])
@pytest.mark.parametrize(("where", "index"), PAGES.values(), ids=PAGES)
def test_a_page_of_runs_reads_only_that_page(
    database: sqlite3.Connection, where: RunFilter, index: str, cursor: Cursor | None
) -> None:
    query = runs_page(TABLES, where, 10, cursor)
    assert uses(database, query, f"floworch_{index} ?")
    assert not any("TEMP B-TREE" in step for step in explain(database, query))


@pytest.mark.parametrize("cursor", [None, AFTER], ids=["first page", "next page"])
def test_a_page_of_several_statuses_is_a_page_of_each(database: sqlite3.Connection, cursor: Cursor | None) -> None:
    where = RunFilter(flow_id=ID, statuses=frozenset({RunStatus.FAILED, RunStatus.CANCELLED}))
    steps = explain(database, runs_page(TABLES, where, 10, cursor))
    assert sum("INDEX floworch_run_by_flow_status" in step for step in steps) == 2
    assert [step for step in steps if re.search(r"SCAN floworch", step)] == []


@pytest.mark.parametrize("cursor", [None, AFTER], ids=["first page", "next page"])
def test_a_page_of_what_has_ended_passes_over_what_goes_on(database: sqlite3.Connection, cursor: Cursor | None) -> None:
    steps = explain(database, runs_page(TABLES, RunFilter(ended_before=NOW), 10, cursor))
    searches = [step for step in steps if "INDEX floworch_run_by_status (status=? AND started_at<?" in step]
    assert len(searches) == len(ENDED)


def test_runs_made_from_a_run_are_found_among_those_that_were_made_from_one(database: sqlite3.Connection) -> None:
    assert uses(database, runs_page(TABLES, RunFilter(source_run_id=ID), 10, None), "floworch_run_by_source")


def test_the_use_of_limits_is_counted_among_what_is_leased_or_ready(database: sqlite3.Connection) -> None:
    assert uses(database, held_question(TABLES), "floworch_step_leased")
    steps = explain(database, use_question(TABLES, DIALECT.lease_clock(SystemClock()), waiting=True))
    assert [re.findall(r"INDEX (\w+)", step) for step in steps if "floworch_step" in step] == [
        ["floworch_step_leased"],
        ["floworch_step_ready"],
    ]


def test_every_run_is_in_these_indexes_and_the_others_hold_only_a_few(database: sqlite3.Connection) -> None:
    """One more costs every run: its rows are written several times."""
    rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql NOT LIKE '% WHERE %'")
    of_all = {name for (name,) in rows if re.match("floworch_(run|step)_(?!tag_)", name)}
    assert of_all == {f"floworch_run_by_{what}" for what in ("start", "flow", "status", "flow_status")}


def test_a_run_that_goes_on_as_it_is_writes_no_index(database: sqlite3.Connection) -> None:
    assert trees_written(database, "touch_run") == 1
    assert trees_written(database, "advance_run") > 1


def trees_written(database: sqlite3.Connection, name: str) -> int:
    text = DIALECT.prepare(bulk_statements(TABLES)[name]).sql
    return sum(row[1] == "OpenWrite" for row in database.execute(f"EXPLAIN {text}", (None,) * text.count("?")))


def uses(database: sqlite3.Connection, query: Executable, index: str) -> bool:
    return any(re.search(f"INDEX {index}\\b", step) for step in explain(database, query))


def explain(database: sqlite3.Connection, query: Executable) -> list[str]:
    assert isinstance(query, SelectBase)
    compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"render_postcompile": True})
    return plan(database, str(compiled), (None,) * len(compiled.positiontup or ()))


def plan(database: sqlite3.Connection, text: str, values: tuple[None, ...]) -> list[str]:
    return [str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN {text}", values)]
