"""What the server says it was sent, transactions included: those of the driver are not seen by anybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL, Pool, event

__all__ = ["telling", "told"]

_SETTINGS = {"log_statement": "all", "client_min_messages": "log"}


def telling(url: URL) -> URL:
    """The URL for sessions whose every statement is told. Takes a superuser."""
    return url.update_query_dict({"options": " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())})


@contextmanager
def told() -> Iterator[list[str]]:
    """Collects the statements of pooled connections that are opened inside."""
    statements: list[str] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        # "statement: BEGIN", or "execute <unnamed>: SELECT …"
        kind, _, text = (diagnostic.message_primary or "").partition(": ")
        if kind == "statement" or kind.startswith("execute "):
            statements.append(" ".join(text.split()))

    def listen(connection: Any, _record: object) -> None:
        connection.add_notice_handler(note)

    event.listen(Pool, "connect", listen)
    try:
        yield statements
    finally:
        event.remove(Pool, "connect", listen)
