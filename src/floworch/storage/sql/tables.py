"""The tables, described once for every database.

There are no foreign keys: each row is written by :mod:`floworch.storage.sql.commit`, and a check per row would cost
more than the row. The partial indexes cover only rows that wait for something, so finished work costs nothing to look
past.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Identity, Index, Integer, MetaData, SmallInteger, Table, text

from floworch.core.model.signals import LONGEST_SIGNAL_NAME
from floworch.core.model.tags import LONGEST_TAG_NAME, LONGEST_TAG_VALUE
from floworch.storage.sql.types import Document, Id, Instant, Word

__all__ = ["IN_PAYLOAD_TABLE", "Tables", "build_tables"]

IN_PAYLOAD_TABLE = "@"
"""Stands in a payload column for text that was too long for the row. No JSON document begins with it."""

_KEY_CHARS = 400
_LIMIT_CHARS = 250
"""Of the name of a limit: that of a step type, with a word before it."""


@dataclass(frozen=True, slots=True)
class Tables:
    metadata: MetaData
    migration: Table
    flow: Table
    flow_version: Table
    manifest: Table
    run: Table
    run_tag: Table
    step: Table
    payload: Table
    signal: Table
    event: Table
    idempotency_key: Table
    schedule: Table
    tick: Table
    limit_rule: Table
    limit_arrival: Table


def build_tables(database: str, *, schema: str | None = None, prefix: str = "") -> Tables:
    """The tables in ``schema``; ``prefix`` keeps them apart from the application's where there are no schemas.

    ``database`` is the name of its dialect, without the driver.
    """
    metadata = MetaData(schema=schema, info={"database": database})
    return Tables(
        metadata=metadata,
        migration=_migration(metadata, prefix),
        flow=_flow(metadata, prefix),
        flow_version=_flow_version(metadata, prefix),
        manifest=_manifest(metadata, prefix),
        run=_run(metadata, prefix),
        run_tag=_run_tag(metadata, prefix),
        step=_step(metadata, prefix),
        payload=_payload(metadata, prefix),
        signal=_signal(metadata, prefix),
        event=_event(metadata, prefix),
        idempotency_key=_idempotency_key(metadata, prefix),
        schedule=_schedule(metadata, prefix),
        tick=_tick(metadata, prefix),
        limit_rule=_limit_rule(metadata, prefix),
        limit_arrival=_limit_arrival(metadata, prefix),
    )


def _migration(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}migration",
        metadata,
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("name", Word(200), nullable=False),
        Column("applied_at", Instant, nullable=False),
    )


def _flow(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}flow",
        metadata,
        Column("id", Id, primary_key=True),
        Column("name", Word(200), nullable=False),
        Column("version", Word(200), nullable=False),
        Column("manifest_hash", Word(64), nullable=False),
        Column("is_enabled", SmallInteger, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("updated_at", Instant, nullable=False),
    )


def _flow_version(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}flow_version",
        metadata,
        Column("flow_id", Id, primary_key=True),
        Column("manifest_hash", Word(64), primary_key=True),
        Column("version", Word(200), nullable=False),
        Column("first_seen", Instant, nullable=False),
        Column("last_seen", Instant, nullable=False),
        sqlite_with_rowid=False,
    )


def _manifest(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}manifest",
        metadata,
        Column("hash", Word(64), primary_key=True),
        Column("json", Document, nullable=False),
    )


def _run(metadata: MetaData, prefix: str) -> Table:
    table = _table(
        f"{prefix}run",
        metadata,
        Column("id", Id, primary_key=True),
        Column("flow_id", Id, nullable=False),
        Column("flow_name", Word(200), nullable=False),
        Column("flow_version", Word(200), nullable=False),
        Column("manifest_hash", Word(64), nullable=False),
        Column("trigger_key", Word(200), nullable=False),
        Column("status", Word(16), nullable=False),
        Column("revision", BigInteger, nullable=False),
        Column("started_at", Instant, nullable=False),
        Column("ended_at", Instant),
        Column("deadline", Instant),
        Column("stop_kind", Word(16)),
        Column("stop_reason", Document),
        Column("stop_at", Instant),
        Column("idempotency_key", Word(_KEY_CHARS)),
        Column("source_run_id", Id),
        Column("scheduled_at", Instant),
        Column("parent_run_id", Id),
        Column("parent_step_key", Word(_KEY_CHARS)),
        Column("parent_attempt", Integer),
        Column("parent_waits", SmallInteger, nullable=False, server_default=text("0")),
        Column("depth", SmallInteger, nullable=False, server_default=text("0")),
        Column("concurrency_key", Word(_KEY_CHARS)),
        Column("tells_parent", SmallInteger, nullable=False, server_default=text("0")),
        Column("suspended_at", Instant),
        Column("suspended_by", Word(200)),
        Column("suspend_reason", Document),
        Column("notice_at", Instant),
        Column("notice_tries", SmallInteger, nullable=False, server_default=text("0")),
        Column("priority", SmallInteger, nullable=False),
        Column("body", Document),
        Column("headers", Document),
        Column("tags", Document),  # what is shown with the run; what it is found by is in the table of tags
        sqlite_with_rowid=False,
        # Room for the next version of a row: measured on chains, three of four changes of a run then touch no index
        # instead of one of six, and the table stays half as large. A step changes what its indexes are about: no gain.
        postgresql_with={"fillfactor": 60},
    )
    name, c = table.name, table.c
    Index(f"{name}_by_start", c.started_at, c.id)
    Index(f"{name}_by_flow", c.flow_id, c.started_at, c.id)
    Index(f"{name}_by_status", c.status, c.started_at, c.id)
    Index(f"{name}_by_flow_status", c.flow_id, c.status, c.started_at, c.id)
    _partial_index(table, "by_deadline", "deadline IS NOT NULL AND ended_at IS NULL", c.deadline)
    _partial_index(table, "by_parent", "parent_run_id IS NOT NULL", c.parent_run_id, c.started_at, c.id)
    _partial_index(table, "suspended", "suspended_at IS NOT NULL", c.started_at, c.id)
    _partial_index(table, "untold", "tells_parent = 1", c.ended_at)
    _partial_index(table, "notices", "notice_at IS NOT NULL", c.flow_id, c.notice_at)
    _partial_index(table, "by_source", "source_run_id IS NOT NULL", c.source_run_id, c.started_at)
    return table


def _run_tag(metadata: MetaData, prefix: str) -> Table:
    table = _table(
        f"{prefix}run_tag",
        metadata,
        Column("run_id", Id, primary_key=True),
        Column("name", Word(LONGEST_TAG_NAME), primary_key=True),
        Column("value", Word(LONGEST_TAG_VALUE), nullable=False),
        Column("started_at", Instant, nullable=False),  # the run's: what lists are sorted by
        sqlite_with_rowid=False,
    )
    name, c = table.name, table.c
    Index(f"{name}_by_value", c.name, c.value, c.started_at, c.run_id)
    return table


def _step(metadata: MetaData, prefix: str) -> Table:
    table = _table(
        f"{prefix}step",
        metadata,
        Column("run_id", Id, primary_key=True),
        Column("step_key", Word(_KEY_CHARS), primary_key=True),
        Column("scope", Word(_KEY_CHARS), nullable=False),
        Column("type", Word(200), nullable=False),
        Column("flow_id", Id, nullable=False),  # the run's, as is the priority: what ready steps are found by
        Column("priority", SmallInteger, nullable=False),
        Column("concurrency_key", Word(_KEY_CHARS)),  # the run's too: what running steps are counted by
        Column("place", Integer, nullable=False),  # among the rows that one commit inserted
        Column("status", Word(16), nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("failures", Integer, nullable=False),
        Column("lost", Integer, nullable=False),
        Column("settled", SmallInteger, nullable=False, server_default=text("0")),
        Column("due_at", Instant),
        Column("wait", Word(16)),
        Column("waiting_since", Instant),
        Column("skip", Word(32)),
        Column("reason", Document),
        Column("owner", Word(200)),
        Column("lease_until", Instant),
        Column("ready_at", Instant),
        Column("started_at", Instant),
        Column("ended_at", Instant),
        Column("progress", Document),
        Column("input", Document),
        Column("output", Document),
        Column("error", Document),
        Column("trace", Document),
        # Rows are found by (run, key) only: without a rowid that is one tree to write instead of two.
        sqlite_with_rowid=False,
    )
    c = table.c
    _partial_index(table, "ready", "status = 'Ready'", c.flow_id, c.priority.desc(), c.ready_at)
    _partial_index(table, "pending", "status = 'Pending'", c.due_at)
    _partial_index(table, "leased", "lease_until IS NOT NULL", c.lease_until)
    return table


def _payload(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}payload",
        metadata,
        Column("run_id", Id, primary_key=True),
        Column("step_key", Word(_KEY_CHARS), primary_key=True),
        Column("kind", Word(16), primary_key=True),
        Column("json", Document, nullable=False),
    )


def _signal(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}signal",
        metadata,
        Column("run_id", Id, primary_key=True),
        Column("id", Id, primary_key=True),
        Column("number", Integer, nullable=False),
        Column("name", Word(LONGEST_SIGNAL_NAME), nullable=False),
        Column("deduplication_id", Word(_KEY_CHARS)),
        Column("payload", Document, nullable=False),
        Column("received_at", Instant, nullable=False),
        Column("taken_by", Word(_KEY_CHARS)),
        Column("taken_attempt", Integer),
        Column("taken_at", Instant),
        sqlite_with_rowid=False,
    )


def _event(metadata: MetaData, prefix: str) -> Table:
    table = _table(
        f"{prefix}event",
        metadata,
        Column("sequence", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
        Column("run_id", Id, nullable=False),
        Column("at", Instant, nullable=False),
        Column("facts", Document, nullable=False),
        sqlite_autoincrement=True,
    )
    Index(f"{table.name}_by_run", table.c.run_id, table.c.sequence)
    return table


def _idempotency_key(metadata: MetaData, prefix: str) -> Table:
    table = _table(
        f"{prefix}idempotency_key",
        metadata,
        Column("flow_id", Id, primary_key=True),
        Column("key", Word(_KEY_CHARS), primary_key=True),
        Column("run_id", Id, nullable=False),
        Column("created_at", Instant, nullable=False),
        Column("outlives_run", SmallInteger, nullable=False, server_default=text("0")),
        sqlite_with_rowid=False,
    )
    _partial_index(table, "orphans", "outlives_run = 1", table.c.created_at)
    return table


def _schedule(metadata: MetaData, prefix: str) -> Table:
    table = _table(
        f"{prefix}schedule",
        metadata,
        Column("flow_id", Id, primary_key=True),
        Column("trigger_key", Word(200), primary_key=True),
        Column("definition", Document, nullable=False),
        Column("override_cron", Document),
        Column("paused_at", Instant),
        Column("paused_until", Instant),
        Column("pause_reason", Document),
        Column("retired_at", Instant),
        Column("next_fire_at", Instant),
        Column("due_at", Instant),
        Column("waits_for", Id),
        Column("last_tick_at", Instant),
        Column("backfill", Document),
        Column("backfills", SmallInteger, nullable=False),
        Column("revision", BigInteger, nullable=False),
        Column("updated_at", Instant, nullable=False),
    )
    c = table.c
    _partial_index(table, "by_due", "due_at IS NOT NULL", c.due_at)
    _partial_index(table, "waiting", "waits_for IS NOT NULL", c.waits_for)
    _partial_index(table, "backfills", "backfills = 1", c.flow_id)
    return table


def _tick(metadata: MetaData, prefix: str) -> Table:
    table = _table(
        f"{prefix}tick",
        metadata,
        Column("flow_id", Id, primary_key=True),
        Column("trigger_key", Word(200), primary_key=True),
        Column("scheduled_at", Instant, primary_key=True),
        Column("outcome", Word(16), nullable=False),
        Column("run_id", Id),
        Column("recorded_at", Instant, nullable=False),
        Column("why", Document),
        sqlite_with_rowid=False,
    )
    Index(f"{table.name}_by_record", table.c.recorded_at)
    return table


def _limit_rule(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}limit_rule",
        metadata,
        Column("name", Word(_LIMIT_CHARS), primary_key=True),
        Column("code", Document),
        Column("override", Document),
        Column("updated_at", Instant, nullable=False),
    )


def _limit_arrival(metadata: MetaData, prefix: str) -> Table:
    return _table(
        f"{prefix}limit_arrival",
        metadata,
        Column("name", Word(_LIMIT_CHARS), primary_key=True),
        Column("key", Word(_KEY_CHARS), primary_key=True),
        Column("on_time_at", Instant, nullable=False),
        sqlite_with_rowid=False,
    )


def _table(name: str, metadata: MetaData, *columns: Column[Any], **options: Any) -> Table:
    return Table(name, metadata, *columns, **_of_database(metadata, options))


def _partial_index(table: Table, name: str, where: str, *columns: Column[Any] | ColumnElement[Any]) -> None:
    condition = text(where)
    options = {"sqlite_where": condition, "postgresql_where": condition, "mssql_where": condition}
    Index(f"{table.name}_{name}", *columns, **_of_database(table.metadata, options))


def _of_database(metadata: MetaData, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the database in use. For each other one that is named SQLAlchemy would load its dialect, 1 MiB each."""
    return {name: value for name, value in options.items() if name.startswith(f"{metadata.info['database']}_")}
