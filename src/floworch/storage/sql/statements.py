"""The bulk statements of the hot path and the columns of their rows."""

from __future__ import annotations

from dataclasses import dataclass, fields

from floworch.core.model.status import RunStatus
from floworch.storage.sql.bulk import Delete, Insert, Match, Statement, Update
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.tables import Tables

__all__ = ["ENDED", "RUN_CHANGE", "STEP_CHANGE", "STEP_IDENTITY", "Statements", "bulk_statements", "prepare_statements"]

RUN_CHANGE = ("status", "deadline", "stop_kind", "stop_reason", "stop_at", "ended_at", "revision")
ENDED = tuple(sorted(status.value for status in RunStatus if status.is_final))
"""Whether a run goes on is asked as "not one of these": "= 'Running'" would lead to the index by status, and so to all
runs that go on, where the primary key leads to the one."""
STEP_IDENTITY = ("run_id", "step_key", "scope", "type", "flow_id", "priority", "concurrency_key", "place")
STEP_CHANGE = (
    "status", "attempt", "failures", "lost", "due_at", "wait", "waiting_since", "skip", "reason", "owner", "ready_at",
    "started_at", "ended_at", "progress", "lease_until", "input", "output", "error", "trace",
)  # fmt: skip
_RARE_STEP = ("due_at", "wait", "waiting_since", "skip", "reason", "progress", "error", "trace")
_RARE_RUN = ("deadline", "stop_kind", "stop_reason", "stop_at")
_RUN_FACTS = (
    "id", "flow_id", "flow_name", "flow_version", "manifest_hash", "trigger_key", "started_at", "idempotency_key",
    "source_run_id", "priority", "concurrency_key", "body", "headers", "tags",
)  # fmt: skip
_PARENT = ("parent_run_id", "parent_step_key", "parent_attempt", "parent_waits", "depth")
_SUSPENSION = ("suspended_at", "suspended_by", "suspend_reason")
_SCHEDULE = (
    "definition", "override_cron", "paused_at", "paused_until", "pause_reason", "retired_at", "next_fire_at", "due_at",
    "waits_for", "last_tick_at", "backfill", "backfills", "revision", "updated_at",
)  # fmt: skip
_STEP = (Match("run_id"), Match("step_key"))
_SCOPE = (Match("run_id"), Match("step_key", ">="), Match("step_key", "<"), Match("scope"))


@dataclass(frozen=True, slots=True)
class Statements:
    """One prepared statement per field."""

    insert_key: Statement
    insert_run: Statement
    insert_child: Statement
    insert_tick_run: Statement
    insert_tag: Statement
    advance_run: Statement
    touch_run: Statement
    tell_parent: Statement
    hear_of: Statement
    mark_end: Statement
    move_run: Statement
    suspend_run: Statement
    insert_step: Statement
    change_step: Statement
    remove_step: Statement
    settle_scope: Statement
    revive_scope: Statement
    claim_step: Statement
    renew_lease: Statement
    insert_payload: Statement
    remove_payload: Statement
    insert_event: Statement
    insert_signal: Statement
    take_signal: Statement
    insert_manifest: Statement
    insert_flow: Statement
    change_flow: Statement
    insert_version: Statement
    change_version: Statement
    delete_events: Statement
    delete_payloads: Statement
    delete_steps: Statement
    delete_signals: Statement
    delete_tags: Statement
    delete_run: Statement
    delete_key: Statement
    orphan_key: Statement
    insert_schedule: Statement
    change_schedule: Statement
    insert_tick: Statement
    delete_tick: Statement
    insert_rule: Statement
    change_rule: Statement
    insert_arrival: Statement
    change_arrival: Statement


def prepare_statements(dialect: SqlDialect, tables: Tables) -> Statements:
    """All bulk statements in the words of one database."""
    specs = bulk_statements(tables)
    return Statements(**{field.name: dialect.prepare(specs[field.name]) for field in fields(Statements)})


def bulk_statements(tables: Tables) -> dict[str, Insert | Update | Delete]:
    """Field of :class:`Statements` → what the statement does."""
    return {
        **_of_runs(tables),
        **_of_steps(tables),
        **_of_leases(tables),
        **_of_signals(tables),
        **_of_the_rest(tables),
        **_of_retention(tables),
        **_of_schedules(tables),
        **_of_limits(tables),
    }


def _of_runs(tables: Tables) -> dict[str, Insert | Update | Delete]:
    run = tables.run
    return {
        "insert_key": Insert(
            tables.idempotency_key, columns=("flow_id", "key", "run_id", "created_at"), skip_existing=True
        ),
        "insert_run": Insert(
            run,
            columns=(*_RUN_FACTS, *RUN_CHANGE),
            rarely=("source_run_id", "concurrency_key", "headers", "tags", *_RARE_RUN),
        ),
        "insert_tick_run": Insert(run, columns=(*_RUN_FACTS, "scheduled_at", *RUN_CHANGE)),
        "insert_child": Insert(
            run, columns=(*_RUN_FACTS, *_PARENT, *RUN_CHANGE), rarely=("concurrency_key", *_RARE_RUN)
        ),
        "insert_tag": Insert(tables.run_tag, columns=("run_id", "name", "value", "started_at")),
        "tell_parent": Update(run, constants=("tells_parent = 1",), match=(Match("id"),)),
        "suspend_run": Update(run, columns=_SUSPENSION, match=(Match("id"),)),
        "move_run": Update(run, columns=("manifest_hash", "flow_version"), match=(Match("id"),)),
        "mark_end": Update(run, columns=("notice_at",), constants=("notice_tries = 0",), match=(Match("id"),)),
        "hear_of": Update(run, constants=("tells_parent = 0",), match=(Match("id"),)),
        "advance_run": Update(run, columns=RUN_CHANGE, match=(Match("id"), Match("revision")), rarely=_RARE_RUN),
        "touch_run": Update(run, constants=("revision = t.revision + 1",), match=(Match("id"), Match("revision"))),
    }


def _of_steps(tables: Tables) -> dict[str, Insert | Update | Delete]:
    step = tables.step
    return {
        "insert_step": Insert(
            step,
            columns=(*STEP_IDENTITY, *STEP_CHANGE),
            skip_existing=True,
            rarely=("concurrency_key", "ended_at", "input", "output", *_RARE_STEP),
        ),
        "change_step": Update(
            step,
            columns=STEP_CHANGE,
            match=(*_STEP, Match("status"), Match("attempt")),
            rarely=("lease_until", *_RARE_STEP),
        ),
        "remove_step": Delete(step, match=_STEP),
        "settle_scope": Update(step, constants=("settled = 1",), match=_SCOPE),
        "revive_scope": Update(step, constants=("settled = 0",), match=_SCOPE),
    }


def _of_leases(tables: Tables) -> dict[str, Insert | Update | Delete]:
    step = tables.step
    active = (
        f"EXISTS (SELECT 1 FROM {tables.run.fullname} AS r WHERE r.id = {{row}}.run_id "
        f"AND r.status NOT IN ({', '.join(map(repr, ENDED))}))"
    )
    cleared = ("due_at", "wait", "input", "output", "error", "trace")
    return {
        "claim_step": Update(
            step,
            columns=("owner", "started_at", "lease_until"),
            constants=(
                "status = 'Running'",
                "attempt = t.attempt + 1",
                *(f"{name} = NULL" for name in cleared),
            ),
            match=(*_STEP, Match("attempt")),
            condition=f"{{row}}.status = 'Ready' AND {active}",
            passes_over_locked=True,
        ),
        "renew_lease": Update(
            step,
            columns=("lease_until",),
            match=(*_STEP, Match("attempt"), Match("owner")),
            # Not "lease_until IS NOT NULL": that would lead to the index of all leases instead of to the row.
            condition="{row}.status = 'Running'",
        ),
    }


def _of_signals(tables: Tables) -> dict[str, Insert | Update | Delete]:
    signal = tables.signal
    return {
        "insert_signal": Insert(
            signal, columns=("run_id", "id", "number", "name", "deduplication_id", "payload", "received_at")
        ),
        "take_signal": Update(
            signal,
            columns=("taken_by", "taken_attempt", "taken_at"),
            match=(Match("run_id"), Match("id")),
            condition="{row}.taken_by IS NULL",
        ),
    }


def _of_the_rest(tables: Tables) -> dict[str, Insert | Update | Delete]:
    payload_key = ("run_id", "step_key", "kind")
    return {
        "insert_payload": Insert(tables.payload, columns=(*payload_key, "json")),
        "remove_payload": Delete(tables.payload, match=tuple(map(Match, payload_key))),
        "insert_event": Insert(tables.event, columns=("run_id", "at", "facts")),
        "insert_manifest": Insert(tables.manifest, columns=("hash", "json"), skip_existing=True),
        "insert_flow": Insert(
            tables.flow,
            columns=("id", "name", "version", "manifest_hash", "is_enabled", "created_at", "updated_at"),
            skip_existing=True,
        ),
        "insert_version": Insert(
            tables.flow_version,
            columns=("flow_id", "manifest_hash", "version", "first_seen", "last_seen"),
            skip_existing=True,
        ),
        "change_version": Update(
            tables.flow_version, columns=("version", "last_seen"), match=(Match("flow_id"), Match("manifest_hash"))
        ),
        "change_flow": Update(
            tables.flow, columns=("name", "version", "manifest_hash", "updated_at"), match=(Match("id"),)
        ),
    }


def _of_retention(tables: Tables) -> dict[str, Insert | Update | Delete]:
    of_run = (Match("run_id"),)
    key = (Match("flow_id"), Match("key"), Match("run_id"))
    return {
        "delete_events": Delete(tables.event, match=of_run),
        "delete_payloads": Delete(tables.payload, match=of_run),
        "delete_steps": Delete(tables.step, match=of_run),
        "delete_signals": Delete(tables.signal, match=of_run),
        "delete_tags": Delete(tables.run_tag, match=of_run),
        "delete_run": Delete(tables.run, match=(Match("id"),)),
        "delete_key": Delete(tables.idempotency_key, match=key),
        "orphan_key": Update(tables.idempotency_key, constants=("outlives_run = 1",), match=key),
    }


def _of_limits(tables: Tables) -> dict[str, Insert | Update | Delete]:
    rule, arrival = tables.limit_rule, tables.limit_arrival
    return {
        "insert_rule": Insert(rule, columns=("name", "code", "override", "updated_at"), skip_existing=True),
        "change_rule": Update(rule, columns=("code", "updated_at"), match=(Match("name"),)),
        "insert_arrival": Insert(arrival, columns=("name", "key", "on_time_at"), skip_existing=True),
        "change_arrival": Update(arrival, columns=("on_time_at",), match=(Match("name"), Match("key"))),
    }


def _of_schedules(tables: Tables) -> dict[str, Insert | Update | Delete]:
    schedule, tick = tables.schedule, tables.tick
    identity, tick_key = ("flow_id", "trigger_key"), ("flow_id", "trigger_key", "scheduled_at")
    return {
        "insert_schedule": Insert(schedule, columns=(*identity, *_SCHEDULE), skip_existing=True),
        "change_schedule": Update(
            schedule, columns=_SCHEDULE, match=(*(Match(name) for name in identity), Match("revision"))
        ),
        "insert_tick": Insert(tick, columns=(*tick_key, "outcome", "run_id", "recorded_at", "why")),
        "delete_tick": Delete(tick, match=tuple(map(Match, tick_key))),
    }
