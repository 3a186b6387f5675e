"""The PostgreSQL that contenders share: the one of ``--postgresql``, or a private cluster with default settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

__all__ = ["Databases", "why_no_postgresql"]

_COUNT_STATEMENTS = {
    "shared_preload_libraries": "pg_stat_statements",
    # It would tidy up after the preparations while costs are counted.
    "autovacuum": "off",
}


def why_no_postgresql(given_url: str | None) -> str | None:
    """Why PostgreSQL cannot be measured; None when it can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'psycopg[binary]'"
    if given_url is None:
        reason: str | None = _servers().why_absent()
        return reason
    return None


class Databases:
    """Empty databases, on servers that are started when the first one is asked for."""

    def __init__(self, given_url: str | None) -> None:
        self._given_url = given_url
        self._stack = ExitStack()
        self._urls: dict[bool, str] = {}
        self.server_version: str | None = None

    def close(self) -> None:
        """Stop the servers that were started."""
        self._stack.close()

    def new(self, *, counts_statements: bool) -> str:
        """URL of an empty database."""
        if counts_statements not in self._urls:
            self._urls[counts_statements] = self._given_url or self._stack.enter_context(_server(counts_statements))
        url = self._urls[counts_statements]
        name = f"bench_{uuid4().hex}"
        with import_module("psycopg").connect(url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
            self.server_version = str(connection.execute("SHOW server_version").fetchone()[0])
        start, _, _ = url.rpartition("/")
        return f"{start}/{name}"


@contextmanager
def _server(counts_statements: bool) -> Iterator[str]:
    # Durability as PostgreSQL comes: the settings that make tests fast would make the figures lies.
    server = _servers().PostgresqlServer(_COUNT_STATEMENTS if counts_statements else {})
    try:
        server.start()
        yield server.url.render_as_string(hide_password=False)
    finally:
        server.remove()


def _servers() -> Any:
    # By name: it needs psycopg, which a run without PostgreSQL does not.
    return import_module("tests.servers.postgresql")
