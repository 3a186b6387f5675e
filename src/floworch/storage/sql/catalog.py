"""Keeps flows and their manifests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, func, select, update

from floworch.core.model.records import FlowRecord, FlowVersion
from floworch.core.model.status import RunStatus
from floworch.storage.sql.chunks import chunks
from floworch.storage.sql.dialects.base import SqlDialect
from floworch.storage.sql.statements import Statements
from floworch.storage.sql.tables import Tables

__all__ = ["list_flows", "list_versions", "load_manifests", "save_flows", "set_flow_enabled"]

_HASHES_PER_QUERY = 500


def save_flows(
    connection: Connection, dialect: SqlDialect, statements: Statements, flows: Sequence[FlowRecord], now: datetime
) -> None:
    """See :meth:`Storage.save_flows <floworch.core.ports.storage.Storage.save_flows>`.

    Insert what is new, then update everything: replicas that start at the same time cannot get in each other's way.
    """
    in_order = sorted({flow.id: flow for flow in flows}.values(), key=lambda flow: str(flow.id))
    manifests = {flow.manifest_hash: flow.manifest for flow in flows}
    at = dialect.instant(now)
    statements.insert_manifest.apply(connection, sorted(manifests.items()))
    statements.insert_flow.apply(
        connection,
        [(str(f.id), f.name, f.version, f.manifest_hash, int(f.is_enabled), at, at) for f in in_order],
    )
    statements.change_flow.apply(connection, [(f.name, f.version, f.manifest_hash, at, str(f.id)) for f in in_order])
    statements.insert_version.apply(connection, [(str(f.id), f.manifest_hash, f.version, at, at) for f in in_order])
    statements.change_version.apply(connection, [(f.version, at, str(f.id), f.manifest_hash) for f in in_order])


def list_flows(connection: Connection, tables: Tables) -> list[FlowRecord]:
    flow, manifest = tables.flow, tables.manifest
    wanted = select(flow, manifest.c.json).join_from(flow, manifest, manifest.c.hash == flow.c.manifest_hash)
    return [
        FlowRecord(
            id=row.id,
            name=row.name,
            version=row.version,
            manifest_hash=row.manifest_hash,
            manifest=row.json,
            is_enabled=bool(row.is_enabled),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in connection.execute(wanted.order_by(flow.c.name, flow.c.id))
    ]


def set_flow_enabled(connection: Connection, tables: Tables, flow_id: UUID, enabled: bool, now: datetime) -> bool:
    change = update(tables.flow).where(tables.flow.c.id == flow_id).values(is_enabled=int(enabled), updated_at=now)
    return connection.execute(change).rowcount == 1


def list_versions(connection: Connection, tables: Tables, flow_ids: frozenset[UUID]) -> list[FlowVersion]:
    """See :meth:`Storage.list_versions <floworch.core.ports.storage.Storage.list_versions>`."""
    run, version = tables.run.c, tables.flow_version.c
    count = select(run.flow_id, run.manifest_hash, func.count()).where(
        run.flow_id.in_(sorted(flow_ids)), run.status == RunStatus.RUNNING.value
    )
    live = {(row[0], row[1]): row[2] for row in connection.execute(count.group_by(run.flow_id, run.manifest_hash))}
    wanted = select(version.flow_id, version.manifest_hash, version.version, version.first_seen, version.last_seen)
    of_these = wanted.where(version.flow_id.in_(sorted(flow_ids)))
    in_order = of_these.order_by(version.flow_id, version.last_seen, version.first_seen, version.manifest_hash)
    return [
        FlowVersion(row[0], row[1], row[2], row[3], row[4], live.get((row[0], row[1]), 0))
        for row in connection.execute(in_order)
    ]


def load_manifests(connection: Connection, tables: Tables, hashes: Sequence[str]) -> dict[str, str]:
    manifest = tables.manifest.c
    found: dict[str, str] = {}
    for some in chunks(hashes, _HASHES_PER_QUERY):
        rows = connection.execute(select(manifest.hash, manifest.json).where(manifest.hash.in_(some)))
        found.update({row.hash: row.json for row in rows})
    return found
