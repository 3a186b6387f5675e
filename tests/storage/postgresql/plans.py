"""What the server says about how it carried out each statement of a store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import URL, Pool, event

__all__ = ["LARGE_TABLES", "Executed", "explaining", "watched"]

LARGE_TABLES = frozenset({"run", "run_tag", "step", "event", "payload", "idempotency_key"})
_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "client_min_messages": "log",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
}


@dataclass(frozen=True)
class Executed:
    """One statement as it was carried out, with the values and the plan of that very execution."""

    text: str
    plan: dict[str, Any]

    @property
    def blocks(self) -> int:
        """Pages of tables and indexes that were looked at, in memory or on disk."""
        return int(self.plan["Shared Hit Blocks"]) + int(self.plan["Shared Read Blocks"])

    @property
    def full_scans(self) -> list[str]:
        """Large tables of which every row was read."""
        return [
            node["Relation Name"]
            for node in _nodes(self.plan)
            if node["Node Type"].endswith("Seq Scan") and node["Relation Name"] in LARGE_TABLES
        ]

    def __str__(self) -> str:
        nodes = [
            f"{node['Node Type']} {node.get('Index Name', node.get('Relation Name', ''))}" for node in _nodes(self.plan)
        ]
        return f"{self.blocks} blocks, {'; '.join(nodes)}: {' '.join(self.text.split())}"


def explaining(url: URL) -> URL:
    """The URL for sessions whose every statement is explained. Takes a superuser."""
    return url.update_query_dict({"options": " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())})


@contextmanager
def watched() -> Iterator[list[Executed]]:
    """Collects what connections that are opened inside tell, as long as they are open."""
    executed: list[Executed] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        _, is_plan, text = (diagnostic.message_primary or "").partition("plan:\n")
        if is_plan:
            document = json.loads(text)
            executed.append(Executed(document["Query Text"], document["Plan"]))

    def listen(connection: Any, _record: object) -> None:
        connection.add_notice_handler(note)

    connect = psycopg.AsyncConnection.connect

    async def connect_and_listen(*arguments: Any, **options: Any) -> Any:
        connection = await connect(*arguments, **options)
        connection.add_notice_handler(note)
        return connection

    event.listen(Pool, "connect", listen)
    psycopg.AsyncConnection.connect = connect_and_listen  # type: ignore[method-assign]
    try:
        yield executed
    finally:
        psycopg.AsyncConnection.connect = connect  # type: ignore[method-assign]
        event.remove(Pool, "connect", listen)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)
